# SPDX-License-Identifier: Apache-2.0
"""Failures while a transaction runs, by the party that said so."""


class Refusal(Exception):
    """The contract refuses a transaction: the caller reads ``code: sentence`` with status 400.

    ``code`` is a stable word for programs (``round_closed``), ``sentence`` is for people. Nothing that the
    transaction wrote is kept.
    """

    status = 400

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence

    def __str__(self) -> str:
        return f"{self.code}: {self.sentence}"


class PeerError(Exception):
    """The peer answered a request of this transaction with ERROR; the message is the peer's own."""

    def __init__(self, request: str, message: str) -> None:
        super().__init__(request, message)
        self.request = request
        self.message = message

    def __str__(self) -> str:
        return f"peer refused {self.request}: {self.message}"


class InvalidRequest(ValueError):
    """The contract asked for what no peer could do, such as writing an empty key; the caller reads why."""


class StreamClosed(Exception):
    """The peer's stream ended while the transaction was waiting; its outcome can no longer be reported."""


class ChaincodeCallError(Exception):
    """A chaincode called by this one could not be run, or answered with a status of 400 or more."""

    def __init__(self, chaincode: str, status: int, message: str) -> None:
        super().__init__(chaincode, status, message)
        self.chaincode = chaincode
        self.status = status
        self.message = message

    def __str__(self) -> str:
        return f"chaincode {self.chaincode} answered {self.status}: {self.message}"


class ConfigurationError(Exception):
    """The server cannot start as configured; the message says which setting and what to do."""
