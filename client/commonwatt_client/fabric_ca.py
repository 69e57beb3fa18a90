# SPDX-License-Identifier: Apache-2.0
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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric import ec

from commonwatt_client._certificate_requests import (
    certificate_request,
    common_name,
    key_pem,
    private_key,
    token,
)
from commonwatt_client._fabric_ca_answers import (
    Answer,
    AuthorityInfo,
    Enrollment,
    RegisteredIdentity,
    Revocation,
    RevokedCertificate,
    read_answer,
    read_certificate,
    read_identities,
    read_info,
    read_list,
    read_nothing,
    read_revocation,
    read_secret,
)
from commonwatt_client.errors import ConfigurationError, FabricCACode, FabricCAError
from commonwatt_client.extras import extra
from commonwatt_client.identity import normal_pem

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

AFFILIATION_EXISTS = 409  # HTTP
REVOCATION_REASONS = (
    "unspecified", "keycompromise", "cacompromise", "affiliationchange", "superseded", "cessationofoperation",
    "certificatehold", "removefromcrl", "privilegewithdrawn", "aacompromise",
)  # fmt: skip


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
        self._timeout_s = timeout_s
        self._http = extra("aiohttp", "admin", "a Fabric CA")
        authorities = normal_pem(tls_ca).decode("ascii", "ignore") if tls_ca else None
        try:
            self._tls = ssl.create_default_context(cadata=authorities)
        except (ssl.SSLError, ValueError) as error:
            raise ConfigurationError(
                f"the TLS CA certificate of the Fabric CA {url} cannot be used: {error}"
            ) from error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Nothing stays open between calls; this is here so that it is used as other connections are."""

    async def info(self) -> AuthorityInfo:
        """The authority's name, version and certificate chain. Anybody may ask. Raises FabricCAError."""
        return await self._call(read_info, "GET", self._with_ca("/cainfo"))

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
        key = private_key(private_key_pem)
        body = self._request(key, name, profile, hosts, attributes)
        certificate, chain = await self._call(
            read_certificate, "POST", "/enroll", json.dumps(body).encode(), f"Basic {password}"
        )
        return Enrollment(certificate, key_pem(key), chain)

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
        key = private_key(enrollment.private_key_pem if keep_key else None)
        body = self._request(key, common_name(enrollment.certificate_pem), profile, hosts, attributes)
        certificate, chain = await self._signed(read_certificate, "POST", "/reenroll", enrollment, body)
        return Enrollment(certificate, key_pem(key), chain)

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
        return await self._signed(read_secret, "POST", "/register", registrar, body)

    async def add_affiliation(self, registrar: Enrollment, name: str) -> None:
        """Make an affiliation known, of which identities can be: certificates name it as an organisational unit.

        One that is known stays as it is. Raises FabricCAError.
        """
        body = {"name": name, "caname": self._ca_name}
        try:
            await self._signed(read_nothing, "POST", "/affiliations", registrar, body)
        except FabricCAError as error:
            if error.status != AFFILIATION_EXISTS:
                raise

    async def modify(
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
        moved = {} if affiliation is None else {"affiliation": affiliation or "."}
        body = {
            **moved,
            "attrs": [{"name": key, "value": value, "ecert": True} for key, value in attributes.items()],
            "caname": self._ca_name,
        }
        uri = f"/identities/{quote(name, safe='')}"
        await self._signed(read_nothing, "PUT", uri, registrar, body)

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
        revocation = await self._signed(read_revocation, "POST", "/revoke", registrar, body)
        if revocation.crl_pem:
            return revocation
        crl = await self._signed(read_list, "POST", "/gencrl", registrar, {"caname": self._ca_name})
        return replace(revocation, crl_pem=crl)

    async def identities(self, registrar: Enrollment) -> tuple[RegisteredIdentity, ...]:
        """The identities that the registrar may see. Raises FabricCAError."""
        return await self._signed(read_identities, "GET", self._with_ca("/identities"), registrar)

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
            "certificate_request": certificate_request(key, name, hosts),
            "profile": profile,
            "caname": self._ca_name,
        }
        if hosts:
            body["hosts"] = list(hosts)
        if attributes is not None:
            body["attr_reqs"] = [{"name": attribute} for attribute in attributes]
        return body

    async def _signed(
        self,
        read: Callable[[dict[str, Any]], Answer],
        method: str,
        uri: str,
        caller: Enrollment,
        body: Mapping[str, Any] | None = None,
    ) -> Answer:
        content = json.dumps(body).encode() if body is not None else b""
        signed = token(method, uri, content, caller.certificate_pem, caller.private_key_pem)
        return await self._call(read, method, uri, content, signed)

    async def _call(
        self,
        read: Callable[[dict[str, Any]], Answer],
        method: str,
        uri: str,
        body: bytes = b"",
        authorization: str = "",
    ) -> Answer:
        url = self.url + uri
        headers = {"Content-Type": "application/json"}
        if authorization:
            headers["Authorization"] = authorization
        aiohttp = self._http
        try:
            # A session belongs to one event loop: each request has its own, closed when this returns.
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._timeout_s)) as session,
                session.request(method, url, data=body, headers=headers, ssl=self._tls) as response,
            ):
                status, text = response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = str(error) or f"no answer within {self._timeout_s} s"
            raise FabricCAError(
                url, f"cannot reach the Fabric CA: {reason}; is it running, and is its TLS CA right?"
            ) from error
        return read_answer(url, status, text, read)
