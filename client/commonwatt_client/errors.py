"""What the client can fail with, and what each failure says.

::

    ClientError                     everything below
    ├── ConfigurationError          arguments, a file or a key that cannot be used (also a ValueError)
    │   └── NoNetworkError          the file that describes the network is not there: none was started here
    ├── UnreachableError            a node of the network could not be reached
    ├── SigningError                no signature could be made: no signer, or the signer failed
    ├── MalformedMessageError       bytes that are not the Fabric message they should be
    ├── ConnectionClosedError       the connection was closed before or during the call
    ├── FabricCAError               a certificate authority was not reached, or refused (`fabric_ca`)
    ├── AdminError                  administration failed (`admin.errors` draws its own tree)
    └── GatewayError                a transaction or an event stream failed on the network
        ├── EvaluateError           evaluating; nothing was sent to the orderer
        ├── EndorseError            collecting endorsements; nothing was sent to the orderer
        ├── SubmitError             handing the endorsed transaction to the orderer; it may still commit
        ├── CommitStatusError       asking whether it committed; it may have, ask again by its transaction id
        ├── CommitError             it was ordered into a block and is invalid there; it changed nothing
        └── EventsError             an event stream ended and could not be resumed

A `GatewayError` carries the transaction id, the gRPC status, and what each endorser or orderer said.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc

if TYPE_CHECKING:
    from commonwatt_client.validation import ValidationCode


class ClientError(Exception):
    """Any failure of the client.

    ::

        try:
            await market.evaluate_transaction("get_parameters", "{}")
        except ClientError as error:
            print("this side or the network:", error)
    """


class ConfigurationError(ClientError, ValueError):
    """Something given to the client cannot be used; nothing was sent.

    ::

        try:
            connect_network_file("nowhere/network.json", "newtown", "operator")
        except ConfigurationError as error:
            print(error)
    """


class NoNetworkError(ConfigurationError):
    """The file that describes the network does not exist: no network was started here, or it was deleted.

    ::

        try:
            connect_network_file("nowhere/network.json", "newtown", "operator")
        except NoNetworkError as error:
            print(error)
    """


class UnreachableError(ClientError):
    """A node of the network could not be reached; nothing is known of whether it acted.

    ::

        from pathlib import Path

        from commonwatt_client.admin import PeerAdmin

        authority = Path(".commonwatt/organizations/newtown/tlsca/ca.crt").read_bytes()
        async with PeerAdmin("127.0.0.1:1", identity=identity, signer=signer, tls_ca=authority) as away:
            try:
                await away.list_channels()
            except UnreachableError as error:
                print(error)
    """


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


class MalformedMessageError(ClientError, ValueError):
    """Bytes that should be a Fabric message are not one; compare the versions of client and peer.

    ::

        try:
            gateway.new_signed_transaction(b"junk", b"signature")
        except MalformedMessageError as error:
            print(error)
    """


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


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """What one node said: its address (host:port), its organisation's MSP id and its message.

    ::

        try:
            await market.submit_transaction("close_round", '{"round": 999999}')
        except EndorseError as error:
            print([(detail.address, detail.mspid, detail.message) for detail in error.details])
    """

    address: str
    mspid: str
    message: str

    def __str__(self) -> str:
        return f"{self.address} ({self.mspid}): {self.message}"


@dataclass(frozen=True, slots=True)
class ChaincodeResponse:
    """A chaincode's own refusal: its status (400 and above) and its message.

    ::

        try:
            await market.submit_transaction("close_round", '{"round": 999999}')
        except EndorseError as error:
            if error.chaincode_response is not None:
                print(error.chaincode_response.status, error.chaincode_response.message)
    """

    status: int
    message: str


# How a gateway's texts begin where they carry a chaincode's own answer (Fabric: internal/pkg/gateway/apiutils.go).
_CHAINCODE_RESPONSE = re.compile(
    r"(?:evaluate call to endorser returned error: )?chaincode response (-?\d+), (.*)", re.DOTALL
)


def chaincode_response_in(text: str) -> ChaincodeResponse | None:
    """The chaincode's answer that a node's text carries, None where the text is the node's own."""
    found = _CHAINCODE_RESPONSE.match(text)
    return ChaincodeResponse(int(found[1]), found[2]) if found else None


class GatewayError(ClientError):
    """A call to the gateway failed.

    Attributes:
        message: one sentence naming the phase and the cause.
        transaction_id: the transaction concerned, or empty for an event stream.
        reason: the cause's name, a key of `explain.EXPLANATIONS`.
        status: the gRPC status code, or None where no call failed (a `CommitError`).
        details: what each node concerned said.
        advice: what to do next.
        tries: how many times the phase was tried, 1 without a retry policy.

    ::

        try:
            await market.submit_transaction("close_round", '{"round": 999999}')
        except GatewayError as error:
            print(error.phase, error.reason, error.chaincode_response, error.advice)
    """

    phase = "call"

    def __init__(
        self,
        message: str,
        *,
        reason: str = "OTHER",
        transaction_id: str = "",
        status: grpc.StatusCode | None = None,
        details: Sequence[ErrorDetail] = (),
        advice: str = "",
        tries: int = 1,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.transaction_id = transaction_id
        self.status = status
        self.details = tuple(details)
        self.advice = advice
        self.tries = tries

    @property
    def chaincode_response(self) -> ChaincodeResponse | None:
        """The chaincode's own refusal, where that is the cause of the failure."""
        for text in (*(detail.message for detail in self.details), self.message):
            if response := chaincode_response_in(text):
                return response
        return None

    def __str__(self) -> str:
        lines = [self._headline()]
        lines += [f"  {detail}" for detail in self.details]
        if self.advice:
            lines.append(f"  Next: {self.advice}")
        return "\n".join(lines)

    def _headline(self) -> str:
        facts = []
        if self.transaction_id:
            facts.append(f"transaction {self.transaction_id}")
        if self.status is not None:
            facts.append(f"gRPC status {self.status.name}")
        if self.tries > 1:
            facts.append(f"{self.tries} tries")
        suffix = f" ({', '.join(facts)})" if facts else ""
        return f"{self.phase} failed: {self.message}{suffix}"


class EvaluateError(GatewayError):
    """Evaluating failed. Nothing was sent to the orderer, so the call can be made again.

    ::

        try:
            await market.evaluate_transaction("get_round", '{"round": 999999}')
        except EvaluateError as error:
            print(error.reason, error.message)
    """

    phase = "evaluate"


class EndorseError(GatewayError):
    """Endorsing failed. Nothing was sent to the orderer, so the call can be made again.

    ::

        try:
            await market.submit_transaction("close_round", '{"round": 999999}')
        except EndorseError as error:
            print(error.transaction_id, error.reason, error.details)
    """

    phase = "endorse"


class SubmitError(GatewayError):
    """The endorsed transaction could not be handed to the orderer for certain.

    It may still commit: ask by its transaction id (`gateway.new_commit_for`), or submit the same signed transaction
    again, which is safe; don't endorse it anew before you know.

    ::

        transaction = await market.new_proposal("get_parameters", arguments=["{}"]).endorse()
        try:
            await transaction.submit()
        except SubmitError as error:
            print(await gateway.new_commit_for("newtown", error.transaction_id).status())
    """

    phase = "submit"


class CommitStatusError(GatewayError):
    """The commit status could not be learned. The transaction may have committed: ask again by its transaction id.

    ::

        try:
            await market.submit_transaction("get_parameters", "{}", commit_timeout_s=0.001)
        except CommitStatusError as error:
            print(await gateway.new_commit_for("newtown", error.transaction_id).status())
    """

    phase = "commit status"


class CommitError(GatewayError):
    """The transaction was ordered into a block and found invalid there; none of its writes took effect.

    Attributes beyond a GatewayError's:
        code: the `ValidationCode`.
        block_number: the block that records the invalid transaction.

    ::

        try:
            await market.submit_transaction("get_parameters", "{}")
        except CommitError as error:
            print(error.code.name, "in block", error.block_number, "-", error.advice)
    """

    phase = "commit"

    def __init__(
        self,
        message: str,
        *,
        code: "ValidationCode",
        block_number: int,
        transaction_id: str,
        advice: str = "",
        tries: int = 1,
    ) -> None:
        super().__init__(message, reason=code.name, transaction_id=transaction_id, advice=advice, tries=tries)
        self.code = code
        self.block_number = block_number


class EventsError(GatewayError):
    """An event stream ended and could not be resumed; start again from your checkpoint.

    ::

        async with gateway.get_network("nowhere").block_events(start_block=0) as blocks:
            try:
                await anext(blocks)
            except EventsError as error:
                print(error)
    """

    phase = "events"
