"""Fabric CA over its REST interface: enrol, register, re-enrol, revoke.

    async with FabricCA("https://ca.newtown.example:7054", tls_ca=ca_pem) as ca:
        registrar = await ca.enroll("admin", password)
        secret = await ca.register(registrar, "home007", attributes={"home.id": "home007", "role": "home"})
        home = await ca.enroll("home007", secret)

Private keys are made here and never leave: the authority sees a certificate request only. Source: Fabric CA's
REST interface (fabric-ca 1.5, `swagger/swagger-fabric-ca.json`) and its authorization token.
"""

import base64
import json
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from commonwatt_client.errors import ClientError, ConfigurationError
from commonwatt_client.identity import Identity
from commonwatt_client.signers import private_key_signer

REVOCATION_REASONS = (
    "unspecified", "keycompromise", "cacompromise", "affiliationchange", "superseded", "cessationofoperation",
    "certificatehold", "removefromcrl", "privilegewithdrawn", "aacompromise",
)  # fmt: skip

_ADVICE = {
    20: "check the name and the secret; a revoked identity and a used-up secret are refused in the same words",
    71: "the caller's hf.Registrar.* or hf.Revoker attributes do not allow this; ask an administrator of the authority",
    74: "enrol it with its secret, or register another name",
    63: "check the name; `identities` lists those that the authority knows",
}


class FabricCAError(ClientError):
    """The authority could not be reached or refused; nothing was changed by a refusal.

    `url` is the request's address, `status` its HTTP status (0: no answer), `code` Fabric CA's own error code
    (0: none).
    """

    def __init__(self, url: str, message: str, *, status: int = 0, code: int = 0) -> None:
        self.url, self.status, self.code = url, status, code
        advice = f"; {_ADVICE[code]}" if code in _ADVICE else ""
        super().__init__(f"{url}: {message}{advice}")


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
        self.url = url.rstrip("/")
        if not self.url.startswith("https://") and not (plaintext and self.url.startswith("http://")):
            raise ConfigurationError(
                f"the Fabric CA address {url} is not https://, and secrets would travel in the clear"
            )
        self._ca_name = ca_name
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._tls = (
            ssl.create_default_context(cadata=tls_ca.decode()) if tls_ca else ssl.create_default_context()
        )
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; a further call opens it again."""
        if self._session:
            await self._session.close()
            self._session = None

    async def info(self) -> AuthorityInfo:
        """The authority's name, version and certificate chain. Anybody may ask. Raises FabricCAError."""
        result = await self._call("GET", self._with_ca("/cainfo"))
        return AuthorityInfo(result["CAName"], result.get("Version", ""), base64.b64decode(result["CAChain"]))

    async def enroll(
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
        password = base64.b64encode(f"{name}:{secret}".encode()).decode()
        key = _private_key(private_key_pem)
        body = self._request(key, name, profile, hosts, attributes)
        result = await self._call(
            "POST", "/enroll", json.dumps(body).encode(), {"Authorization": f"Basic {password}"}
        )
        return _enrollment(result, key)

    async def reenroll(
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
        key = _private_key(enrollment.private_key_pem if keep_key else None)
        body = self._request(key, _common_name(enrollment.certificate_pem), profile, hosts, attributes)
        return _enrollment(await self._signed("POST", "/reenroll", enrollment, body), key)

    async def register(
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
        body = {
            "id": name, "type": type, "secret": secret, "affiliation": affiliation,
            "max_enrollments": max_enrollments,
            "attrs": [{"name": key, "value": value, "ecert": True} for key, value in (attributes or {}).items()],
            "caname": self._ca_name,
        }  # fmt: skip
        result = await self._signed("POST", "/register", registrar, body)
        return str(result["secret"])

    async def revoke(
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
        if reason not in REVOCATION_REASONS:
            raise ConfigurationError(
                f"{reason} is not a reason to revoke; there are: {', '.join(REVOCATION_REASONS)}"
            )
        if bool(name) == bool(serial and aki):
            raise ConfigurationError(
                "revoke either an identity by its name or a certificate by its serial and AKI"
            )
        body = {
            "id": name,
            "serial": serial,
            "aki": aki,
            "reason": reason,
            "caname": self._ca_name,
            "gencrl": True,
        }
        result = await self._signed("POST", "/revoke", registrar, body)
        revoked = tuple(
            RevokedCertificate(entry["Serial"], entry["AKI"]) for entry in result.get("RevokedCerts") or ()
        )
        if not result.get("CRL"):  # all of it was revoked before: the authority sends no list
            result = await self._signed("POST", "/gencrl", registrar, {"caname": self._ca_name})
        return Revocation(revoked, base64.b64decode(result["CRL"]))

    async def identities(self, registrar: Enrollment) -> tuple[RegisteredIdentity, ...]:
        """The identities that the registrar may see. Raises FabricCAError."""
        result = await self._signed("GET", self._with_ca("/identities"), registrar)
        return tuple(
            RegisteredIdentity(
                entry["id"], entry["type"], entry.get("affiliation", ""), entry.get("max_enrollments", 0),
                {item["name"]: item.get("value", "") for item in entry.get("attrs") or ()},
            )
            for entry in result.get("identities") or ()
        )  # fmt: skip

    def _with_ca(self, path: str) -> str:
        return f"{path}?ca={self._ca_name}" if self._ca_name else path

    def _request(
        self,
        key: ec.EllipticCurvePrivateKey,
        name: str,
        profile: str,
        hosts: Sequence[str],
        attributes: Iterable[str] | None,
    ) -> dict[str, Any]:
        body: dict[str, Any] = {
            "certificate_request": _certificate_request(key, name, hosts),
            "profile": profile,
            "caname": self._ca_name,
        }
        if hosts:
            body["hosts"] = list(hosts)
        if attributes is not None:
            body["attr_reqs"] = [{"name": attribute} for attribute in attributes]
        return body

    async def _signed(
        self, method: str, uri: str, caller: Enrollment, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        content = json.dumps(body).encode() if body is not None else b""
        return await self._call(method, uri, content, {"Authorization": _token(method, uri, content, caller)})

    async def _call(
        self, method: str, uri: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        url = self.url + uri
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        try:
            async with self._session.request(
                method,
                url,
                data=body,
                headers={"Content-Type": "application/json", **(headers or {})},
                ssl=self._tls,
            ) as response:
                status, text = response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = str(error) or f"no answer within {self._timeout.total} s"
            raise FabricCAError(
                url, f"cannot reach the Fabric CA: {reason}; is it running, and is its TLS CA right?"
            ) from error
        return _result(url, status, text)


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


def _token(method: str, uri: str, body: bytes, caller: Enrollment) -> str:
    """Fabric CA's authorization token: the certificate, and a signature that covers method, address and body."""
    certificate = base64.b64encode(caller.certificate_pem).decode()
    covered = ".".join(
        (method, base64.b64encode(uri.encode()).decode(), base64.b64encode(body).decode(), certificate)
    )
    signature = private_key_signer(caller.private_key_pem).sign(sha256(covered.encode()).digest())
    return f"{certificate}.{base64.b64encode(signature).decode()}"


def _private_key(pem: bytes | None) -> ec.EllipticCurvePrivateKey:
    if pem is None:
        return ec.generate_private_key(ec.SECP256R1())
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"the private key to be certified cannot be loaded: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigurationError("the private key to be certified is not an elliptic curve key")
    return key


def _certificate_request(key: ec.EllipticCurvePrivateKey, name: str, hosts: Sequence[str]) -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    )
    if hosts:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False
        )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _enrollment(result: Mapping[str, Any], key: ec.EllipticCurvePrivateKey) -> Enrollment:
    private_key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = base64.b64decode(result["ServerInfo"]["CAChain"])
    return Enrollment(base64.b64decode(result["Cert"]), private_key_pem, chain)


def _common_name(certificate_pem: bytes) -> str:
    names = x509.load_pem_x509_certificate(certificate_pem).subject.get_attributes_for_oid(
        NameOID.COMMON_NAME
    )
    return str(names[0].value) if names else ""
