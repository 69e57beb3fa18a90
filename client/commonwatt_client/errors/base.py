# SPDX-License-Identifier: Apache-2.0
"""The common part of the client's failures, and the failures of this side."""

from typing import TYPE_CHECKING, ClassVar

import grpc

from commonwatt_client.errors.codes import ErrorCode, FabricCACode

if TYPE_CHECKING:
    from commonwatt_client.ledger.validation import ValidationCode


class ClientError(Exception):
    """Any failure of the client.

    Attributes:
        message: one sentence: what failed.
        code: the cause: an `ErrorCode` or a block's `ValidationCode`, of which `commonwatt explain` knows the names, or
            a `FabricCACode`.
        status: what the node answered with, a gRPC status code or the number of a chaincode or of HTTP; None where no
            node answered.
        party: the node that failed or said so, by name or address; empty where it was none.
        transaction_id: the transaction concerned, hex; empty where it was none.
        advice: what to do next; empty where nothing is known.

    The failure below it is its `__cause__`.

    ::

        try:
            await market.evaluate_transaction("get_parameters", "{}")
        except ClientError as error:
            print("this side or the network:", error.code.name, error.party, error)
    """

    own_code: ClassVar[ErrorCode] = ErrorCode.OTHER

    code: "ErrorCode | ValidationCode | FabricCACode"

    def __init__(
        self,
        message: str = "",
        *,
        code: "ErrorCode | ValidationCode | FabricCACode | None" = None,
        status: grpc.StatusCode | int | None = None,
        party: str = "",
        transaction_id: str = "",
        advice: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = self.own_code if code is None else code
        self.status = status
        self.party = party
        self.transaction_id = transaction_id
        self.advice = advice


class ConfigurationError(ClientError, ValueError):
    """Something given to the client cannot be used; nothing was sent.

    ::

        try:
            connect_network_file("nowhere/network.json", "newtown", "operator")
        except ConfigurationError as error:
            print(error)
    """

    own_code = ErrorCode.INVALID_INPUT


class NoNetworkError(ConfigurationError):
    """The file that describes the network does not exist: no network was started here, or it was deleted.

    ::

        try:
            connect_network_file("nowhere/network.json", "newtown", "operator")
        except NoNetworkError as error:
            print(error)
    """

    own_code = ErrorCode.NO_NETWORK


class UnreachableError(ClientError):
    """A node of the network could not be reached; nothing is known of whether it acted.

    ::

        from commonwatt_client.admin import PeerAdmin

        async with PeerAdmin(Peer("127.0.0.1:1", plaintext=True), identity=identity, signer=signer) as away:
            try:
                await away.list_channels()
            except UnreachableError as error:
                print(error)
    """

    own_code = ErrorCode.PEER_UNREACHABLE


class SigningError(ClientError):
    """A message could not be signed; give the gateway a signer, or sign the message's digest elsewhere.

    ::

        async with connect(peers, identity=identity) as keyless:
            market = keyless.get_network("newtown").get_contract("market")
            try:
                await market.evaluate_transaction("get_parameters", "{}")
            except SigningError as error:
                print(error)
    """

    own_code = ErrorCode.SIGNING_FAILED


class MalformedMessageError(ClientError, ValueError):
    """Bytes that should be a Fabric message are not one; compare the versions of client and peer.

    ::

        try:
            gateway.new_signed_transaction(b"junk", b"signature")
        except MalformedMessageError as error:
            print(error)
    """

    own_code = ErrorCode.MALFORMED_MESSAGE


class ConnectionClosedError(ClientError):
    """The connection was closed; open another with `connect`.

    ::

        closed = connect(peers, identity=identity, signer=signer)
        await closed.close()
        try:
            await closed.get_network("newtown").get_contract("market").evaluate_transaction("get_parameters", "{}")
        except ConnectionClosedError as error:
            print(error)
    """

    own_code = ErrorCode.CONNECTION_CLOSED
