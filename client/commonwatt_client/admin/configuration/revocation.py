# SPDX-License-Identifier: Apache-2.0
"""Revoked certificates: lists that a running channel's organisations put into their configuration."""

from typing import Any

from cryptography import x509
from fabric_protos.msp import msp_config_pb2

from commonwatt_client.admin.configuration.groups import edited, organization_of, set_value
from commonwatt_client.errors import InvalidInputError
from commonwatt_client.identity import normal_pem
from commonwatt_client.ledger.configuration import ChannelConfig, msp_of
from commonwatt_client.ledger.wire import serialize


def revoke_certificates(config: ChannelConfig, section: str, organization: str, crl: bytes) -> ChannelConfig:
    """Put a certificate revocation list (PEM) into an organisation's MSP, in the place of its issuer's former one.

    The list must be signed by one of the MSP's authorities and carry its key's identifier (the AuthorityKeyIdentifier
    extension). Nodes accept a list that lacks it, and from then on refuse every identity of the organisation.

    ::

        crl = Path("newtown.crl").read_bytes()
        desired = revoke_certificates(await peer.fetch_config("newtown"), APPLICATION, "NewtownMSP", crl)
    """
    crl = normal_pem(crl)
    try:
        revocations = x509.load_pem_x509_crl(crl)
    except ValueError as error:
        raise InvalidInputError(f"this is not a PEM revocation list: {error}") from error

    def edit(root: Any) -> None:
        group = organization_of(root, section, organization)
        msp = msp_of(group)
        authorities = x509.load_pem_x509_certificates(b"\n".join([*msp.root_certs, *msp.intermediate_certs]))
        issuers = [authority for authority in authorities if _signed_by(revocations, authority)]
        if not issuers:
            raise InvalidInputError(f"no authority of {organization} signed this revocation list")
        if _key_identifier(revocations) not in map(_key_identifier, issuers):
            raise InvalidInputError(
                f"the revocation list of {organization} does not name its issuer's key: it would lock out everybody",
                advice="issue it with the AuthorityKeyIdentifier extension",
            )
        kept = [each for each in msp.revocation_list if _crl_issuer(each) != revocations.issuer]
        del msp.revocation_list[:]
        msp.revocation_list.extend([*kept, crl])
        message = msp_config_pb2.MSPConfig(type=0, config=serialize(msp))
        set_value(group, "MSP", message)

    return edited(config, edit)


def _signed_by(revocations: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    if revocations.issuer != authority.subject:
        return False
    try:
        return revocations.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
    except Exception:  # each key type fails in its own way; none of them signed it
        return False


def _key_identifier(signed: x509.Certificate | x509.CertificateRevocationList) -> bytes | None:
    """Of the key that signed a revocation list, or of a certificate's own key; None where it is not said."""
    try:
        if isinstance(signed, x509.Certificate):
            return signed.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        return signed.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return None


def _crl_issuer(pem: bytes) -> x509.Name:
    return x509.load_pem_x509_crl(pem).issuer
