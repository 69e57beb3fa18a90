# SPDX-License-Identifier: Apache-2.0
"""Failures of a transaction or an event stream, and what each node said of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import grpc

from commonwatt_client.errors.base import ClientError
from commonwatt_client.errors.codes import ErrorCode

if TYPE_CHECKING:
    from commonwatt_client.ledger.validation import ValidationCode


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """One node's words: its address (host:port), its organisation's MSP id and its message.

    ::

        try:
            await market.submit_transaction("close_round", '{"round": "99999999"}')
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
            await market.submit_transaction("close_round", '{"round": "99999999"}')
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
    """A call to the gateway failed. Beyond every error's attributes:

    Attributes:
        phase: what failed, such as endorse.
        details: what each node concerned said.
        tries: how many times the phase was tried, 1 without a retry policy.

    ::

        try:
            await market.submit_transaction("close_round", '{"round": "99999999"}')
        except GatewayError as error:
            print(error.phase, error.code.name, error.party, error.chaincode_response, error.advice)
    """

    phase: ClassVar[str] = "call"
    status: grpc.StatusCode | None

    def __init__(
        self,
        message: str,
        *,
        code: "ErrorCode | ValidationCode" = ErrorCode.OTHER,
        status: grpc.StatusCode | None = None,
        party: str = "",
        transaction_id: str = "",
        details: Sequence[ErrorDetail] = (),
        advice: str = "",
        tries: int = 1,
    ) -> None:
        super().__init__(
            message, code=code, status=status, party=party, transaction_id=transaction_id, advice=advice
        )
        self.details = tuple(details)
        self.tries = tries

    @property
    def reason(self) -> str:
        """The name of its code."""
        return self.code.name

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
            await market.submit_transaction("close_round", '{"round": "99999999"}')
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
    code: "ValidationCode"

    def __init__(
        self,
        message: str,
        *,
        code: "ValidationCode",
        block_number: int,
        transaction_id: str,
        party: str = "",
        advice: str = "",
        tries: int = 1,
    ) -> None:
        super().__init__(
            message, code=code, party=party, transaction_id=transaction_id, advice=advice, tries=tries
        )
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
