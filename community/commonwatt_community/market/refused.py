# SPDX-License-Identifier: Apache-2.0
"""What a market contract refuses, told apart from what the network fails."""

from commonwatt_client import GatewayError
from commonwatt_client.exit_codes import CommandError

DATA_NOT_HERE = "data_not_here"
"""An endorser lacks a private message that the public index names; its peer fetches it from another one."""


class Refused(CommandError):
    """The contract refused a transaction: a stable code and a sentence."""

    def __init__(self, code: str, sentence: str, transaction: str) -> None:
        super().__init__(f"{transaction} refused: {code}: {sentence}")
        self.code = code
        self.sentence = sentence


def refusal_of(error: GatewayError, transaction: str) -> Refused | None:
    """The contract's refusal behind an error; None where the network failed instead."""
    response = error.chaincode_response
    if response is None:
        return None
    code, separator, sentence = response.message.partition(": ")
    return Refused(code, sentence, transaction) if separator else None
