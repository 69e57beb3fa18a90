# SPDX-License-Identifier: Apache-2.0
# Written by `make sync` from commonwatt_client/admin/ordering.py: change that file.
"""What `commonwatt_client.admin.ordering` does, without `await`."""

from collections.abc import Iterator
from typing import Self

from commonwatt_client._connection import Peer
from commonwatt_client.admin import ordering as original
from commonwatt_client.admin.participation import Position
from commonwatt_client.identity import Identity
from commonwatt_client.ledger.block import Block
from commonwatt_client.ledger.configuration import ChannelConfig
from commonwatt_client.signers import Signer
from commonwatt_client.sync._background import iterate, made, run
from commonwatt_client.timeouts import Timeouts


class OrderingClient:
    """One orderer, asked as one identity (a member of the channels concerned).

    orderer: its address and TLS, described as a peer's. timeouts: of reading (`evaluate_s`) and of `broadcast`
    (`submit_s`); half a minute each where None.

    ::

        folder = Path(".commonwatt/organizations/orderers")
        with OrderingClient(
            Peer(orderer_address, folder / "tlsca/ca.crt", tls_server_name="orderer0"),
            identity=load_identity("OrdererMSP", folder / "users/admin/certificate.pem"),
            signer=private_key_signer(folder / "users/admin/private_key.pem"),
        ) as ordering:
            print(ordering.get_block("newtown", "newest").number)
    """

    def __init__(
        self, orderer: Peer, *, identity: Identity, signer: Signer, timeouts: Timeouts | None = None
    ) -> None:
        self._original = made(
            lambda: original.OrderingClient(orderer, identity=identity, signer=signer, timeouts=timeouts)
        )
        self.address = self._original.address

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        run(self._original.close())

    def broadcast(self, envelope: bytes) -> None:
        """Hand over a signed ``common.Envelope`` for ordering.

        Success means accepted, not committed; for a configuration update, wait for its sequence. Raises
        NotReadyError while there is no leader, RefusedError with the orderer's reason.
        """
        run(self._original.broadcast(envelope))

    def get_block(self, channel: str, position: Position) -> Block:
        """A block of the channel: "newest", "oldest", the current "config", or by number."""
        return run(self._original.get_block(channel, position))

    def fetch_config_block(self, channel: str) -> Block:
        """The block that holds the channel configuration in force."""
        return run(self._original.fetch_config_block(channel))

    def fetch_config(self, channel: str) -> ChannelConfig:
        """The channel configuration in force, as this orderer has it."""
        return run(self._original.fetch_config(channel))

    def blocks(self, channel: str, start: Position = 0, stop: Position | None = None) -> Iterator[Block]:
        """The channel's blocks from `start` to `stop`, both included; without `stop`, as they come, for ever."""
        return iterate(lambda: self._original.blocks(channel, start, stop))
