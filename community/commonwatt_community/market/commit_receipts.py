# SPDX-License-Identifier: Apache-2.0
"""Commit receipts: peers of both organisations signed that a message is on the ledger; homes pin who signs for whom.

A receipt is the envelope of the query ``message_status`` as the gateway gave it, its endorsements included. It needs
no trust in the carrier that passes it on.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from commonwatt_chaincode.messages.message import read
from commonwatt_client.errors import ConfigurationError, UnexpectedAnswerError
from commonwatt_client.ledger import endorsers_that_signed
from commonwatt_client.ledger.transaction import ChaincodeAction, Creator, decode_transaction
from commonwatt_client.network_file import MARKET
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

from ..messages.journal import LARGEST_PROOF
from .receipts import ReceiptRefused

_QUERY = b"forward:message_status"
_CLOCKS_DIFFER_S = 60


@dataclass(frozen=True)
class Pins:
    """Whose signature counts for each organisation (MSP id): its peers' own certificates, or those of its CAs (PEM).

    Of a CA's certificates those alone count that say OU ``peer``: homes have certificates of the same CA.
    """

    by_mspid: Mapping[str, tuple[x509.Certificate, ...]]

    @classmethod
    def of(cls, pems: Mapping[str, tuple[bytes, ...]]) -> "Pins":
        """Pins from PEM. ConfigurationError for fewer than two organisations, and for what is no certificate."""
        if len(pems) < 2 or not all(pems.values()):
            raise ConfigurationError("pin certificates of two organisations: one alone proves nothing")
        try:
            return cls(
                {mspid: tuple(map(x509.load_pem_x509_certificate, each)) for mspid, each in pems.items()}
            )
        except ValueError as error:
            raise ConfigurationError(f"a pinned certificate cannot be read: {error}") from error

    def count(self, endorser: Creator, now: datetime) -> bool:
        """Whether a certificate is a peer's of the organisation it names, and valid now."""
        try:
            certificate = x509.load_pem_x509_certificate(endorser.certificate)
            if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
                return False
            return any(
                certificate == pinned or (_is_peer(certificate) and _issued(certificate, pinned))
                for pinned in self.by_mspid.get(endorser.mspid, ())
            )
        except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm):
            # Its parts are read as they are asked for, and it may be a stranger's.
            return False


def committed(
    receipt: bytes,
    compact: bytes,
    author: str,
    channel: str,
    pins: Pins,
    now_s: float,
    chaincode: str = MARKET,
) -> None:
    """ReceiptRefused unless a pinned peer of every pinned organisation signed that this message is on the ledger."""
    if len(receipt) > LARGEST_PROOF:
        raise ReceiptRefused(f"a commit receipt has at most {LARGEST_PROOF} bytes")
    try:
        transaction = decode_transaction(receipt)
        actions = transaction.actions
        answered_by = [action.answered_by for action in actions]
        signers = endorsers_that_signed(transaction)
    except UnexpectedAnswerError as error:
        raise ReceiptRefused(f"the commit receipt cannot be read: {error}") from error
    if transaction.channel != channel or len(actions) != 1:
        raise ReceiptRefused(f"the commit receipt is not of one query on channel {channel}")
    [action] = actions
    if answered_by != [chaincode]:
        raise ReceiptRefused(f"another chaincode than {chaincode} answered")
    _check_question(action, compact, author)
    _check_answer(action, compact)
    asked_s = transaction.timestamp_ns / 1_000_000_000
    if asked_s > now_s + _CLOCKS_DIFFER_S:
        # Dated ahead it could not be held against a ledger for as long.
        raise ReceiptRefused(f"the endorsers are said to have been asked {asked_s - now_s:.0f} s from now")
    now = datetime.fromtimestamp(now_s, UTC)
    signed = {one.mspid for one in signers if pins.count(one, now)}
    missing = sorted(set(pins.by_mspid) - signed)
    if missing:
        raise ReceiptRefused(f"no peer that the home knows of {', '.join(missing)} signed the commit receipt")


def _check_question(action: ChaincodeAction, compact: bytes, author: str) -> None:
    message = read(compact)
    expected = {
        "kind": message.kind,
        "period": message.period,
        "home": message.home,
        "seq": message.seq,
        "digest": message.digest,
        "author": author,
    }
    if len(action.arguments) != 2 or action.arguments[0] != _QUERY:
        raise ReceiptRefused("the endorsers were asked another question than message_status")
    if _json(action.arguments[1]) != expected:
        raise ReceiptRefused("the endorsers were asked of another message")


def _check_answer(action: ChaincodeAction, compact: bytes) -> None:
    answer = _json(action.result)
    if action.status != 200 or not isinstance(answer, dict):
        raise ReceiptRefused(f"the endorsers answered with status {action.status}")
    if answer.get("digest") != read(compact).digest or answer.get("status") != "written":
        raise ReceiptRefused(f"the endorsers say that the message is {str(answer.get('status'))[:20]}")


def _json(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _is_peer(certificate: x509.Certificate) -> bool:
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    return any(unit.value == "peer" for unit in units)


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
