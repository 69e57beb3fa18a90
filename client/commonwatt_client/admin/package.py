# SPDX-License-Identifier: Apache-2.0
"""Chaincode packages for chaincode as a service, the same bytes (and so the same package id) every time.

A package is a gzipped tar of ``metadata.json`` (type and label) and ``code.tar.gz``, itself a gzipped tar of
``connection.json``, which tells the peer where the chaincode listens. Peers check none of its fields at
install, so `ChaincodeConnection` does.
"""

import gzip
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from commonwatt_client.errors import InvalidInputError
from commonwatt_client.identity import normal_pem

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]*")
_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})")
_UNPACKED_LIMIT_BYTES = 64 << 20


@dataclass(frozen=True)
class ChaincodeConnection:
    """How a peer reaches a chaincode service: the content of ``connection.json``.

    address: ``host:port``, as the peer dials it; the server's certificate must name that host.
    root_cert: PEM of the CA that signed the server's certificate; needed with TLS.
    client_cert, client_key: the PEM pair the peer presents; needed when `client_auth_required`.

    ::

        authority = Path(".commonwatt/organizations/newtown/tlsca/ca.crt").read_text()
        connection = ChaincodeConnection("market.example:9999", tls_required=True, root_cert=authority)
    """

    address: str
    dial_timeout_s: int = 10
    tls_required: bool = False
    root_cert: str = ""
    client_auth_required: bool = False
    client_cert: str = ""
    client_key: str = ""

    def __post_init__(self) -> None:
        matched = _ADDRESS.fullmatch(self.address)
        if matched is None or not 0 < int(matched["port"]) < 65536:
            _refuse("address", f"{self.address!r} is not host:port")
        if self.dial_timeout_s < 1:
            _refuse("dial_timeout", f"{self.dial_timeout_s} s is less than 1 s")
        if not self.tls_required:
            if self.client_auth_required or self.root_cert or self.client_cert or self.client_key:
                _refuse("tls_required", "is off, so certificates and keys would be ignored")
            return
        _check_certificates("root_cert", self.root_cert)
        if self.client_auth_required:
            _check_certificates("client_cert", self.client_cert)
            _check_key_pair(self.client_cert, self.client_key)
        elif self.client_cert or self.client_key:
            _refuse("client_auth_required", "is off, so client_cert and client_key would be ignored")

    def to_json(self) -> bytes:
        """The content of ``connection.json``."""
        fields: dict[str, object] = {
            "address": self.address,
            "dial_timeout": f"{self.dial_timeout_s}s",
            "tls_required": self.tls_required,
        }
        if self.tls_required:
            fields["root_cert"] = _normal(self.root_cert)
            fields["client_auth_required"] = self.client_auth_required
        if self.client_auth_required:
            fields["client_cert"] = _normal(self.client_cert)
            fields["client_key"] = _normal(self.client_key)
        return _json(fields)


@dataclass(frozen=True)
class ChaincodePackage:
    """An installable package; `package_id` is what peers compute too: ``label:sha256(content)``.

    ::

        package = package_ccaas("market_1.0", ChaincodeConnection("127.0.0.1:9999"))
        Path("market.tar.gz").write_bytes(package.content)
    """

    label: str
    content: bytes

    @property
    def package_id(self) -> str:
        """The id under which every peer installs these bytes."""
        return f"{self.label}:{hashlib.sha256(self.content).hexdigest()}"


def package_ccaas(
    label: str, connection: ChaincodeConnection, metadata_files: Mapping[str, bytes] | None = None
) -> ChaincodePackage:
    """Package a chaincode service. The same arguments give the same bytes on every machine.

    metadata_files: files below ``META-INF/`` by path (CouchDB indexes), for example
    ``{"META-INF/statedb/couchdb/indexes/trade.json": ...}``.

    ::

        package = package_ccaas("market_1.0", ChaincodeConnection("127.0.0.1:9999"))
        print(package.package_id)  # await peer.install_chaincode(package) makes it known to a peer
    """
    if not _LABEL.fullmatch(label):
        raise InvalidInputError(
            f"{label!r} is not a chaincode label",
            advice="use a letter or digit, then letters, digits and .+-_; peers refuse anything else",
        )
    code = {"connection.json": connection.to_json()}
    for path, content in sorted((metadata_files or {}).items()):
        if not path.startswith("META-INF/") or ".." in path.split("/"):
            raise InvalidInputError(f"{path!r} is not a path below META-INF/")
        code[path] = content
    return ChaincodePackage(
        label,
        _archive({"metadata.json": _json({"type": "ccaas", "label": label}), "code.tar.gz": _archive(code)}),
    )


def read_package(content: bytes) -> tuple[ChaincodePackage, Mapping[str, object]]:
    """Read a package's label and, for chaincode as a service, the fields of its ``connection.json``.

    Raises InvalidInputError when the bytes are no chaincode package.

    ::

        written = package_ccaas("market_1.0", ChaincodeConnection("127.0.0.1:9999"))
        package, connection = read_package(written.content)
        assert (package.package_id, connection["address"]) == (written.package_id, "127.0.0.1:9999")
    """
    files = _unpack(content, "package")
    if "metadata.json" not in files or "code.tar.gz" not in files:
        raise InvalidInputError("the package lacks metadata.json or code.tar.gz")
    metadata = _object(files["metadata.json"], "metadata.json")
    label = metadata.get("label")
    if not isinstance(label, str) or not _LABEL.fullmatch(label):
        raise InvalidInputError(f"the package's label {label!r} is not a chaincode label")
    if str(metadata.get("type")).lower() != "ccaas":
        return ChaincodePackage(label, content), {}
    code = _unpack(files["code.tar.gz"], "code.tar.gz")
    if "connection.json" not in code:
        raise InvalidInputError("the package is of type ccaas but holds no connection.json")
    return ChaincodePackage(label, content), _object(code["connection.json"], "connection.json")


def _json(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def _object(content: bytes, name: str) -> Mapping[str, object]:
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"{name} is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise InvalidInputError(f"{name} is not a JSON object")
    return fields


def _archive(files: Mapping[str, bytes]) -> bytes:
    # No time, owner or file name goes in: the package id must not depend on when or where it was made.
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(filename="", fileobj=buffer, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _unpack(content: bytes, name: str) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as zipped:
            unzipped = zipped.read(_UNPACKED_LIMIT_BYTES + 1)
        if len(unzipped) > _UNPACKED_LIMIT_BYTES:
            raise InvalidInputError(f"{name} unpacks to more than {_UNPACKED_LIMIT_BYTES} bytes")
        with tarfile.open(fileobj=io.BytesIO(unzipped), mode="r:") as archive:
            for entry in archive:
                opened = archive.extractfile(entry) if entry.isreg() else None
                if opened is not None:
                    files[entry.name] = opened.read()
    except InvalidInputError:
        raise
    except Exception as error:  # gzip, zlib and tarfile each raise their own kinds on foreign bytes
        raise InvalidInputError(f"{name} is not a gzipped tar archive: {error}") from error
    return files


def _refuse(field: str, reason: str) -> None:
    raise InvalidInputError(
        f"connection.json: {field} {reason}",
        advice="peers accept it at install and fail at the first transaction",
    )


def _normal(pem: str) -> str:
    return normal_pem(pem.encode()).decode()


def _check_certificates(field: str, pem: str) -> None:
    try:
        x509.load_pem_x509_certificates(normal_pem(pem.encode()))
    except ValueError as error:
        _refuse(field, f"is not a PEM certificate: {error}")


def _check_key_pair(certificate_pem: str, key_pem: str) -> None:
    certificate = x509.load_pem_x509_certificate(normal_pem(certificate_pem.encode()))
    try:
        key = load_pem_private_key(normal_pem(key_pem.encode()), None)
    except (ValueError, TypeError) as error:
        _refuse("client_key", f"is not an unencrypted PEM private key: {error}")
        return
    if key.public_key() != certificate.public_key():
        _refuse("client_key", "is not the key of client_cert")
