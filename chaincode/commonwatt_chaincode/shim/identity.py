# SPDX-License-Identifier: Apache-2.0
"""Who signed a proposal: MSP, certificate and the attributes that Fabric CA writes into certificates."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from cryptography import x509
from fabric_protos.msp import identities_pb2

from .errors import Refusal

ATTRIBUTES_OID = x509.ObjectIdentifier("1.2.3.4.5.6.7.8.1")


@dataclass(frozen=True)
class ClientIdentity:
    """The creator of a proposal, already authenticated by the peer.

    ``id`` is Fabric's client identity: base64 of ``x509::<subject>::<issuer>``, names as in RFC 4514.
    """

    mspid: str
    certificate: x509.Certificate
    attributes: Mapping[str, str]
    id: str

    def attribute(self, name: str) -> str | None:
        """One attribute of the certificate, None if it has none of that name."""
        return self.attributes.get(name)

    def require(self, name: str, *allowed: str) -> str:
        """The attribute's value; Refusal ``forbidden`` if it is absent or none of those ``allowed``."""
        value = self.attributes.get(name)
        if value is None:
            raise Refusal("forbidden", f"the caller's certificate has no attribute {name}")
        if allowed and value not in allowed:
            raise Refusal("forbidden", f"{name} {value} may not do this; it takes {' or '.join(allowed)}")
        return value


@lru_cache(maxsize=4096)
def parse_creator(creator: bytes) -> ClientIdentity:
    """Read a serialized identity. ValueError if its certificate or attribute extension is malformed."""
    serialized = identities_pb2.SerializedIdentity.FromString(creator)
    certificate = x509.load_pem_x509_certificate(serialized.id_bytes)
    subject, issuer = certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
    return ClientIdentity(
        mspid=serialized.mspid,
        certificate=certificate,
        attributes=_attributes(certificate),
        id=base64.b64encode(f"x509::{subject}::{issuer}".encode()).decode(),
    )


def _attributes(certificate: x509.Certificate) -> Mapping[str, str]:
    try:
        extension = certificate.extensions.get_extension_for_oid(ATTRIBUTES_OID)
    except x509.ExtensionNotFound:
        return MappingProxyType({})
    value = extension.value
    if not isinstance(value, x509.UnrecognizedExtension):
        raise ValueError("the certificate's attribute extension is of another kind")
    attributes = json.loads(value.value).get("attrs", {})
    if not all(isinstance(text, str) for text in attributes.values()):
        raise ValueError("the certificate's attributes are not all text")
    return MappingProxyType(attributes)
