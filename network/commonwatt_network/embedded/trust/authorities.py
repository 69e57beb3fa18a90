# SPDX-License-Identifier: Apache-2.0
"""Whom an MSP trusts: its root and intermediate certificates, those for TLS, and its revocation lists."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from commonwatt_network.embedded.trust.certificates import (
    CertificateError,
    chain_identifier,
    is_authority,
    parse_pem,
    subject_key_identifier,
    unique_chain,
)


class Authorities:
    """From a `FabricMSPConfig`. Raises CertificateError, with Fabric's words, where a node would not start with it."""

    def __init__(self, config: Any) -> None:
        self.roots = tuple(parse_pem(pem) for pem in config.root_certs)
        self.intermediates = tuple(parse_pem(pem) for pem in config.intermediate_certs)
        self.tls_roots = tuple(parse_pem(pem) for pem in config.tls_root_certs)
        self.tls_intermediates = tuple(parse_pem(pem) for pem in config.tls_intermediate_certs)
        if not self.roots:
            raise CertificateError("expected at least one CA certificate")
        for certificate in (*self.roots, *self.intermediates):
            _demand_authority(certificate, self.roots, self.intermediates)
        for certificate in (*self.tls_roots, *self.tls_intermediates):
            _demand_authority(certificate, self.tls_roots, self.tls_intermediates)
        self.inner = {parent for ca in self.intermediates for parent in self.chain(ca)[1:]}
        self._revocations = tuple(_parse_revocations(crl) for crl in config.revocation_list)

    def chain(self, certificate: x509.Certificate) -> tuple[x509.Certificate, ...]:
        """From the certificate to a root. Raises CertificateError."""
        return unique_chain(certificate, self.roots, self.intermediates)

    def certifiers(self, pem: bytes) -> bytes:
        """The identifier of the path from one of these authorities to its root. Raises CertificateError."""
        certificate = parse_pem(pem)
        if certificate not in (*self.roots, *self.intermediates):
            raise CertificateError("Failed adding OU. Certificate not in root or intermediate certs.")
        return chain_identifier(self.chain(certificate))

    def is_revoked(self, chain: tuple[x509.Certificate, ...]) -> bool:
        """Whether a list that the chain's issuer signed names the chain's first certificate."""
        certificate, issuer = chain[:2]
        wanted = subject_key_identifier(issuer)
        for key_identifier, revocations in self._revocations:
            serial = certificate.serial_number
            if key_identifier == wanted and revocations.get_revoked_certificate_by_serial_number(serial):
                try:
                    if revocations.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]
                        return True
                except (TypeError, InvalidSignature, UnsupportedAlgorithm):
                    continue
        return False


def _demand_authority(
    certificate: x509.Certificate,
    roots: tuple[x509.Certificate, ...],
    intermediates: tuple[x509.Certificate, ...],
) -> None:
    serial = f"(SN: {certificate.serial_number:x})"
    if not is_authority(certificate):
        raise CertificateError(f"CA Certificate did not have the CA attribute, {serial}")
    if subject_key_identifier(certificate) is None:
        raise CertificateError(
            f"CA Certificate problem with Subject Key Identifier extension, {serial}: "
            "subjectKeyIdentifier not found in certificate"
        )
    try:
        unique_chain(certificate, roots, intermediates)
    except CertificateError as error:
        raise CertificateError(
            f"CA Certificate is not valid, (SN: {certificate.serial_number}): "
            f"could not obtain certification chain: {error}"
        ) from error


def _parse_revocations(encoded: bytes) -> tuple[bytes | None, x509.CertificateRevocationList]:
    """The key identifier of the list's issuer, and the list."""
    try:
        pem = encoded.lstrip().startswith(b"-----BEGIN")
        crl = x509.load_pem_x509_crl(encoded) if pem else x509.load_der_x509_crl(encoded)
        for entry in crl:  # the library reads entries when they are asked for, which is too late
            entry.serial_number  # noqa: B018
        extensions = crl.extensions
    except Exception as error:  # and has many ways to refuse them
        raise CertificateError(f"could not parse RevocationList: {error}") from error
    try:
        authority = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        authority = None
    return authority, crl
