# SPDX-License-Identifier: Apache-2.0
"""What a Fabric CA answers, read into values; whatever is not such an answer is a FabricCAError."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from commonwatt_client.errors import FabricCAError
from commonwatt_client.identity import Identity, normal_pem

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class AuthorityInfo:
    """What an authority says of itself: its name, version and certificate chain (PEM)."""

    name: str
    version: str
    chain_pem: bytes


@dataclass(frozen=True, slots=True)
class Enrollment:
    """A certificate with its private key, and the chain of the authority that issued it (all PEM)."""

    certificate_pem: bytes
    private_key_pem: bytes = field(repr=False)
    chain_pem: bytes

    def identity(self, mspid: str) -> Identity:
        """This certificate as an identity of the organisation with this MSP id."""
        return Identity(mspid, self.certificate_pem)


@dataclass(frozen=True, slots=True)
class RegisteredIdentity:
    """An identity that the authority knows, enrolled or not. max_enrollments: -1 for no limit."""

    name: str
    type: str
    affiliation: str
    max_enrollments: int
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RevokedCertificate:
    """A revoked certificate by its serial number and authority key identifier, both in hexadecimal."""

    serial: str
    aki: str


@dataclass(frozen=True, slots=True)
class Revocation:
    """What a revocation did, with the authority's new certificate revocation list (PEM)."""

    revoked: tuple[RevokedCertificate, ...]
    crl_pem: bytes


def read_answer(url: str, status: int, text: bytes, read: Callable[[dict[str, Any]], Answer]) -> Answer:
    """What `read` finds in an answer's result. Raises FabricCAError, also where the result lacks what is read."""
    result = _result(url, status, text)
    try:
        return read(result)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise FabricCAError(
            url, "Fabric CA's answer lacks what was asked for; compare its version with 1.5", status=status
        ) from error


def _result(url: str, status: int, text: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(text)
        result, errors = answer.get("result"), answer.get("errors") or []
        if status < 300 and isinstance(result, dict):
            return result
        code, message = int(errors[0]["code"]), str(errors[0]["message"])
    except (ValueError, AttributeError, LookupError, TypeError, RecursionError) as error:
        raise FabricCAError(
            url,
            f"HTTP {status} with an answer that is not Fabric CA's; does this address belong to one?",
            status=status,
        ) from error
    raise FabricCAError(
        url, f"Fabric CA answered {message} (code {code}, HTTP {status})", status=status, code=code
    )


def read_info(result: dict[str, Any]) -> AuthorityInfo:
    """Of ``/cainfo``."""
    return AuthorityInfo(str(result["CAName"]), str(result.get("Version", "")), _pem(result["CAChain"]))


def read_certificate(result: dict[str, Any]) -> tuple[bytes, bytes]:
    """Of ``/enroll`` and ``/reenroll``: the certificate and its authority's chain, PEM."""
    return _pem(result["Cert"]), _pem(result["ServerInfo"]["CAChain"])


def read_secret(result: dict[str, Any]) -> str:
    """Of ``/register``."""
    return str(result["secret"])


def read_nothing(_: dict[str, Any]) -> None:
    """Of an answer that says no more than that it was done."""


def read_revocation(result: dict[str, Any]) -> Revocation:
    """Of ``/revoke``; without a list where all of it was revoked before."""
    entries = result.get("RevokedCerts") or ()
    revoked = tuple(RevokedCertificate(str(entry["Serial"]), str(entry["AKI"])) for entry in entries)
    return Revocation(revoked, read_list(result) if result.get("CRL") else b"")


def read_list(result: dict[str, Any]) -> bytes:
    """Of ``/gencrl``: the revocation list, PEM."""
    return _pem(result["CRL"])


def _pem(encoded: str) -> bytes:
    return normal_pem(base64.b64decode(encoded))


def read_identities(result: dict[str, Any]) -> tuple[RegisteredIdentity, ...]:
    """Of ``/identities``."""
    return tuple(
        RegisteredIdentity(
            str(entry["id"]),
            str(entry["type"]),
            str(entry.get("affiliation", "")),
            int(entry.get("max_enrollments", 0)),
            {str(item["name"]): str(item.get("value", "")) for item in entry.get("attrs") or ()},
        )
        for entry in result.get("identities") or ()
    )
