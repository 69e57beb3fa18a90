# Written by client/mirror_admin.py from commonwatt_client/admin/ordering.py; change that file.
"""What `commonwatt_client.admin.ordering` does, without `await`."""

from collections.abc import Iterator
from typing import Self

from commonwatt_client import admin
from commonwatt_client.admin.blocks import Block
from commonwatt_client.admin.configuration import ChannelConfig
from commonwatt_client.admin.participation import Position
from commonwatt_client.identity import Identity
from commonwatt_client.signers import Signer
from commonwatt_client.sync._background import iterate, made, run


class OrderingClient:
    """One orderer, asked as one identity (a member of the channels concerned).

    Arguments as of `PeerAdmin`.

    ::

        folder = Path(".commonwatt/organizations/orderers")
        with OrderingClient(
            orderer_address,
            identity=load_identity("OrdererMSP", folder / "users/admin/certificate.pem"),
            signer=private_key_signer(folder / "users/admin/private_key.pem"),
            tls_ca=(folder / "tlsca/ca.crt").read_bytes(),
            server_name="orderer0",
        ) as ordering:
            print((ordering.get_block("newtown", "newest")).number)
    """

    def __init__(
        self,
        address: str,
        *,
        identity: Identity,
        signer: Signer,
        tls_ca: bytes,
        server_name: str | None = None,
        client_certificate: bytes | None = None,
        client_key: bytes | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        self.address = address
        self._admin = made(
            lambda: admin.OrderingClient(
                address,
                identity=identity,
                signer=signer,
                tls_ca=tls_ca,
                server_name=server_name,
                client_certificate=client_certificate,
                client_key=client_key,
                timeout_s=timeout_s,
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        run(self._admin.close())

    def broadcast(self, envelope: bytes) -> None:
        """Hand over a signed ``common.Envelope`` for ordering.

        Success means accepted, not committed; for a configuration update, wait for its sequence. Raises
        NotReadyError while there is no leader, RefusedError with the orderer's reason.
        """
        run(self._admin.broadcast(envelope))

    def get_block(self, channel: str, position: Position) -> Block:
        """A block of the channel: "newest", "oldest", the current "config", or by number."""
        return run(self._admin.get_block(channel, position))

    def fetch_config_block(self, channel: str) -> Block:
        """The block that holds the channel configuration in force."""
        return run(self._admin.fetch_config_block(channel))

    def fetch_config(self, channel: str) -> ChannelConfig:
        """The channel configuration in force, as this orderer has it."""
        return run(self._admin.fetch_config(channel))

    def blocks(self, channel: str, start: Position = 0, stop: Position | None = None) -> Iterator[Block]:
        """The channel's blocks from `start` to `stop`, both included; without `stop`, as they come, for ever."""
        return iterate(lambda: self._admin.blocks(channel, start, stop))
