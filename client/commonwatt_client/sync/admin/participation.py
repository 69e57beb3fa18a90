# SPDX-License-Identifier: Apache-2.0
# Written by `make sync` from commonwatt_client/admin/participation.py: change that file.
"""What `commonwatt_client.admin.participation` does, without `await`."""

from typing import Self

from commonwatt_client._connection import Peer
from commonwatt_client.admin import participation as original
from commonwatt_client.admin.participation import ChannelInfo, Position
from commonwatt_client.ledger.block import Block
from commonwatt_client.ledger.configuration import ChannelConfig
from commonwatt_client.sync._background import made, run
from commonwatt_client.timeouts import Timeouts


class OrdererAdmin:
    """One orderer's administration port. Needs the extra `admin`: ``pip install commonwatt-client[admin]``.

    orderer: ``host:port`` of its Admin listener, its TLS, and the client certificate that it is shown, described as a
    peer's. timeouts: `evaluate_s` bounds every request, half a minute where None.

    ::

        folder = Path(".commonwatt/organizations/orderers")
        tls = folder / "users/admin/tls"
        where = Peer(
            orderer_admin_address,
            folder / "tlsca/ca.crt",
            tls_server_name="orderer0",
            client_certificate=ClientCertificate(tls / "server.crt", tls / "server.key"),
        )
        with OrdererAdmin(where) as orderer:
            print(orderer.list_channels())
    """

    def __init__(self, orderer: Peer, *, timeouts: Timeouts | None = None) -> None:
        self._original = made(lambda: original.OrdererAdmin(orderer, timeouts=timeouts))
        self.address = self._original.address

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing stays open between calls; this is here so that it is used as a `PeerAdmin` is."""
        run(self._original.close())

    def join_channel(self, block: bytes, *, as_follower: bool = False) -> ChannelInfo:
        """Join a channel with its genesis block, or a later configuration block (to come back, or come late).

        An orderer that is not among the block's consenters joins as a mere follower and says 201 all the
        same: unless `as_follower`, the channel is then removed again and NotAConsenterError raised. Raises
        ChannelExistsError when it has joined before, RefusedError for a block it does not accept.
        """
        return run(self._original.join_channel(block, as_follower=as_follower))

    def list_channels(self) -> tuple[str, ...]:
        """The names of the channels this orderer has joined, sorted."""
        return run(self._original.list_channels())

    def get_channel(self, channel: str) -> ChannelInfo:
        """This orderer's view of one channel. Raises ChannelNotFoundError."""
        return run(self._original.get_channel(channel))

    def remove_channel(self, channel: str) -> None:
        """Take the orderer off a channel and delete its blocks; returns when its list no longer shows the channel.

        Raises ChannelNotFoundError, or TimedOutError when the orderer is still at it after `timeout_s`.
        """
        run(self._original.remove_channel(channel))

    def get_block(self, channel: str, position: Position) -> Block:
        """A block of the channel: "newest", "oldest", the current "config", or by number (Fabric 3.1 and
        later).
        """
        return run(self._original.get_block(channel, position))

    def fetch_config(self, channel: str) -> ChannelConfig:
        """The channel configuration in force, as this orderer has it (Fabric 3.1 and later)."""
        return run(self._original.fetch_config(channel))

    def update_channel(self, envelope: bytes) -> ChannelInfo:
        """Submit a signed configuration update (``common.Envelope``) (Fabric 3.1 and later).

        Accepted means ordered, not in force: wait for the configuration's sequence. Raises RefusedError
        with the policy that is not satisfied.
        """
        return run(self._original.update_channel(envelope))
