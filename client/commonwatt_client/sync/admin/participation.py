# Written by client/mirror_admin.py from commonwatt_client/admin/participation.py; change that file.
"""What `commonwatt_client.admin.participation` does, without `await`."""

from typing import Self

from commonwatt_client import admin
from commonwatt_client.admin.blocks import Block
from commonwatt_client.admin.configuration import ChannelConfig
from commonwatt_client.admin.participation import ChannelInfo, Position
from commonwatt_client.sync._background import made, run


class OrdererAdmin:
    """One orderer's administration port.

    admin_address: ``host:port`` of the orderer's Admin listener.
    tls_ca, client_certificate, client_key: PEM, as bytes. server_name: the name the orderer's certificate
    is checked against, where it differs from the address.

    ::

        folder = Path(".commonwatt/organizations/orderers")
        tls = folder / "users/admin/tls"
        with OrdererAdmin(
            orderer_admin_address,
            tls_ca=(folder / "tlsca/ca.crt").read_bytes(),
            client_certificate=(tls / "server.crt").read_bytes(),
            client_key=(tls / "server.key").read_bytes(),
            server_name="orderer0",
        ) as orderer:
            print(orderer.list_channels())
    """

    def __init__(
        self,
        admin_address: str,
        *,
        tls_ca: bytes,
        client_certificate: bytes,
        client_key: bytes,
        server_name: str | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        self.address = admin_address
        self._admin = made(
            lambda: admin.OrdererAdmin(
                admin_address,
                tls_ca=tls_ca,
                client_certificate=client_certificate,
                client_key=client_key,
                server_name=server_name,
                timeout_s=timeout_s,
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing stays open between calls; this is here so that it is used as a `PeerAdmin` is."""
        run(self._admin.close())

    def join_channel(self, block: bytes, *, as_follower: bool = False) -> ChannelInfo:
        """Join a channel with its genesis block, or a later configuration block (to come back, or come late).

        An orderer that is not among the block's consenters joins as a mere follower and says 201 all the
        same: unless `as_follower`, the channel is then removed again and NotAConsenterError raised. Raises
        ChannelExistsError when it has joined before, RefusedError for a block it does not accept.
        """
        return run(self._admin.join_channel(block, as_follower=as_follower))

    def list_channels(self) -> tuple[str, ...]:
        """The names of the channels this orderer has joined, sorted."""
        return run(self._admin.list_channels())

    def get_channel(self, channel: str) -> ChannelInfo:
        """This orderer's view of one channel. Raises ChannelNotFoundError."""
        return run(self._admin.get_channel(channel))

    def remove_channel(self, channel: str) -> None:
        """Take the orderer off a channel and delete its blocks; returns when its list no longer shows the channel.

        Raises ChannelNotFoundError, or TimedOutError when the orderer is still at it after `timeout_s`.
        """
        run(self._admin.remove_channel(channel))

    def get_block(self, channel: str, position: Position) -> Block:
        """A block of the channel: "newest", "oldest", the current "config", or by number (Fabric 3.1 and
        later).
        """
        return run(self._admin.get_block(channel, position))

    def fetch_config(self, channel: str) -> ChannelConfig:
        """The channel configuration in force, as this orderer has it (Fabric 3.1 and later)."""
        return run(self._admin.fetch_config(channel))

    def update_channel(self, envelope: bytes) -> ChannelInfo:
        """Submit a signed configuration update (``common.Envelope``) (Fabric 3.1 and later).

        Accepted means ordered, not in force: wait for the configuration's sequence. Raises RefusedError
        with the policy that is not satisfied.
        """
        return run(self._admin.update_channel(envelope))
