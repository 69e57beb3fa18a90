# SPDX-License-Identifier: Apache-2.0
# Written by `make sync` from commonwatt_client/fabric_ca.py: change that file.
"""What `commonwatt_client.fabric_ca` does, without `await`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Self

from commonwatt_client import fabric_ca as original
from commonwatt_client.fabric_ca import (
    REVOCATION_REASONS,
    AuthorityInfo,
    Enrollment,
    FabricCACode,
    FabricCAError,
    RegisteredIdentity,
    Revocation,
    RevokedCertificate,
)
from commonwatt_client.sync._background import made, run

__all__ = [
    "REVOCATION_REASONS",
    "AuthorityInfo",
    "Enrollment",
    "FabricCA",
    "FabricCACode",
    "FabricCAError",
    "RegisteredIdentity",
    "Revocation",
    "RevokedCertificate",
]


class FabricCA:
    """One certificate authority (`ca_name` where a server hosts several).

    tls_ca: PEM of the authority that issued the server's TLS certificate. A plain http:// address is refused,
    because secrets travel in it, unless `plaintext=True`.
    """

    def __init__(
        self,
        url: str,
        *,
        ca_name: str = "",
        tls_ca: bytes | None = None,
        timeout_s: float = 30.0,
        plaintext: bool = False,
    ) -> None:
        self._original = made(
            lambda: original.FabricCA(
                url, ca_name=ca_name, tls_ca=tls_ca, timeout_s=timeout_s, plaintext=plaintext
            )
        )
        self.url = self._original.url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing stays open between calls; this is here so that it is used as other connections are."""
        run(self._original.close())

    def info(self) -> AuthorityInfo:
        """The authority's name, version and certificate chain. Anybody may ask. Raises FabricCAError."""
        return run(self._original.info())

    def enroll(
        self,
        name: str,
        secret: str,
        *,
        profile: str = "",
        hosts: Sequence[str] = (),
        attributes: Iterable[str] | None = None,
        private_key_pem: bytes | None = None,
    ) -> Enrollment:
        """A certificate for a registered identity, for a new P-256 key or the one given.

        profile: "tls" for a TLS certificate; hosts: the names and addresses it answers to. attributes: names of the
        registered attributes to put in; None takes those registered for it. Raises FabricCAError.
        """
        return run(
            self._original.enroll(
                name,
                secret,
                profile=profile,
                hosts=hosts,
                attributes=attributes,
                private_key_pem=private_key_pem,
            )
        )

    def reenroll(
        self,
        enrollment: Enrollment,
        *,
        profile: str = "",
        hosts: Sequence[str] = (),
        attributes: Iterable[str] | None = None,
        keep_key: bool = False,
    ) -> Enrollment:
        """A new certificate for the holder of a valid one, without its secret: how certificates are renewed.

        keep_key: certify the same key again instead of a new one. Raises FabricCAError.
        """
        return run(
            self._original.reenroll(
                enrollment, profile=profile, hosts=hosts, attributes=attributes, keep_key=keep_key
            )
        )

    def register(
        self,
        registrar: Enrollment,
        name: str,
        *,
        type: str = "client",
        secret: str = "",
        affiliation: str = "",
        attributes: Mapping[str, str] | None = None,
        max_enrollments: int = -1,
    ) -> str:
        """Make an identity known and return its enrolment secret (the authority's choice when none is given).

        type: client, peer, orderer or admin, which becomes its role in the MSP. attributes go into its certificates.
        max_enrollments: how often the secret may be used, -1 for any number. Raises FabricCAError.
        """
        return run(
            self._original.register(
                registrar,
                name,
                type=type,
                secret=secret,
                affiliation=affiliation,
                attributes=attributes,
                max_enrollments=max_enrollments,
            )
        )

    def add_affiliation(self, registrar: Enrollment, name: str) -> None:
        """Make an affiliation known, of which identities can be: certificates name it as an organisational unit.

        One that is known stays as it is. Raises FabricCAError.
        """
        run(self._original.add_affiliation(registrar, name))

    def modify(
        self,
        registrar: Enrollment,
        name: str,
        *,
        attributes: Mapping[str, str],
        affiliation: str | None = None,
    ) -> None:
        """Change attributes of a registered identity; an empty value takes one away, others stay as they are.

        affiliation: another one, or "" for none; left out, it stays. Certificates that the identity enrols for from
        now on say so. Raises FabricCAError.
        """
        run(self._original.modify(registrar, name, attributes=attributes, affiliation=affiliation))

    def revoke(
        self,
        registrar: Enrollment,
        name: str = "",
        *,
        serial: str = "",
        aki: str = "",
        reason: str = "unspecified",
    ) -> Revocation:
        """Revoke an identity with all its certificates, or the one certificate with this serial and AKI.

        The revocation list takes effect on a channel once a configuration update puts it into the organisation's MSP.
        Raises FabricCAError, and ConfigurationError for a reason that RFC 5280 does not have.
        """
        return run(self._original.revoke(registrar, name, serial=serial, aki=aki, reason=reason))

    def identities(self, registrar: Enrollment) -> tuple[RegisteredIdentity, ...]:
        """The identities that the registrar may see. Raises FabricCAError."""
        return run(self._original.identities(registrar))
