# SPDX-License-Identifier: Apache-2.0
"""Chaincode-as-a-service packages: parsing, checking, and the store of what is installed on one peer."""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from commonwatt_network.embedded.channels.configuration import ChannelConfigError, parse_duration_s
from commonwatt_network.embedded.lifecycle.connection_templates import TemplateError, fill_connection

LARGEST_CONTENT = 256 << 20  # bytes of all files of a package, unpacked
REINSTALL = "delete the file and install the package anew; `commonwatt network up` installs the topology's"
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]*")


class PackageError(Exception):
    """A chaincode package cannot be installed; the message is Fabric's where Fabric has one."""


class Connection(BaseModel):
    """`connection.json`: where the peer dials the chaincode server, and with which certificates (PEM)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    address: str = ""
    dial_timeout: str = "3s"
    tls_required: bool = False
    client_auth_required: bool = False
    client_key: str = ""
    client_cert: str = ""
    root_cert: str = ""

    @property
    def dial_timeout_s(self) -> float:
        try:
            return max(parse_duration_s(self.dial_timeout), 0.1)
        except ChannelConfigError:
            return 3.0


@dataclass(frozen=True)
class ChaincodePackage:
    """An installed package; `package_id` is label:hash of its bytes."""

    label: str
    package_id: str
    connection: Connection


def parse_package(encoded: bytes, values: Mapping[str, object] | None = None) -> ChaincodePackage:
    """The package, its connection's templates filled in with `values`. Raises PackageError."""
    try:
        metadata, code = _members(encoded)
        label, kind = str(metadata.get("label", "")), str(metadata.get("type", ""))
        if not LABEL.fullmatch(label):
            raise PackageError(
                f"invalid label '{label}'. Label must be non-empty, can only consist of alphanumerics, "
                "symbols from '.+-_', and can only begin with alphanumerics"
            )
    except PackageError as error:
        raise PackageError(f"could not parse as a chaincode install package: {error}") from error
    if kind.lower() != "ccaas":
        raise PackageError(
            "could not build chaincode: docker build failed: docker build is disabled "
            f"(package type '{kind}'; this network runs chaincode as a service, type 'ccaas')"
        )
    files = dict(_tar_files(code))
    if "connection.json" not in files:
        raise PackageError("could not build chaincode: external builder failed: connection.json not found")
    try:
        connection = Connection.model_validate_json(files["connection.json"])
        connection = Connection.model_validate(fill_connection(connection.model_dump(), values or {}))
    except ValidationError as error:
        raise PackageError(f"could not build chaincode: malformed connection.json: {error}") from error
    except TemplateError as error:
        raise PackageError(f"could not build chaincode: external builder failed: {error}") from error
    return ChaincodePackage(label, f"{label}:{sha256(encoded).hexdigest()}", connection)


def _members(encoded: bytes) -> tuple[dict[str, object], bytes]:
    files = dict(_tar_files(encoded))
    metadata = files.pop("metadata.json", None)
    code = next(iter(files.values()), None)
    if code is None:
        raise PackageError("did not find a code package inside the package")
    if metadata is None:
        raise PackageError("did not find any package metadata (missing metadata.json)")
    try:
        parsed = json.loads(metadata)
    except (ValueError, RecursionError) as error:
        raise PackageError(f"could not unmarshal metadata.json as json: {error}") from error
    if not isinstance(parsed, dict):
        raise PackageError("could not unmarshal metadata.json as json: not an object")
    return parsed, code


def _tar_files(encoded: bytes) -> Iterator[tuple[str, bytes]]:
    left = LARGEST_CONTENT
    try:
        with tarfile.open(fileobj=io.BytesIO(encoded), mode="r:gz") as archive:
            for member in archive:
                left -= member.size
                if left < 0:
                    raise PackageError(f"the package's files are larger than {LARGEST_CONTENT} bytes")
                if member.isdir():
                    continue
                content = archive.extractfile(member) if member.isreg() else None
                if content is None:
                    raise PackageError(f"tar entry {member.name} is not a regular file")
                yield member.name.removeprefix("./"), content.read()
    except (tarfile.TarError, zlib.error, OSError, EOFError, ValueError) as error:
        raise PackageError(f"error reading as gzip stream: {error}") from error


def _without_values(encoded: bytes) -> Connection | None:
    """The connection as it stands in the package; None where its templates need values."""
    try:
        return parse_package(encoded).connection
    except PackageError:
        return None


class PackageStore:
    """The packages installed on one peer, kept as files."""

    def __init__(self, directory: Path, values: Callable[[], Mapping[str, object]] = dict) -> None:
        """`values`: for templates of packages installed from now on; those installed before keep theirs."""
        self._directory = directory
        self._values = values
        self.installed: dict[str, ChaincodePackage] = {}
        self.reload()

    def reload(self) -> None:
        """Read the folder anew. Raises PackageError where a package isn't what was installed."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self.installed.clear()
        for path in sorted(self._directory.glob("*.tar.gz")):
            try:
                package = parse_package(path.read_bytes(), self._kept_values(path))
            except PackageError as error:
                raise PackageError(
                    f"{path}: not the package that was installed ({error}); {REINSTALL}"
                ) from error
            if self._path(package.package_id) != path:
                raise PackageError(f"{path}: not the package that was installed; {REINSTALL}")
            self.installed[package.package_id] = package

    def install(self, encoded: bytes) -> ChaincodePackage:
        """Raises PackageError, also for a package that is installed already."""
        try:
            values = self._values()
        except TemplateError as error:
            raise PackageError(f"could not build chaincode: external builder failed: {error}") from error
        package = parse_package(encoded, values)
        if package.package_id in self.installed:
            raise PackageError(
                f"chaincode already successfully installed (package ID '{package.package_id}')"
            )
        path = self._path(package.package_id)
        unfinished = path.with_suffix(".unfinished")
        try:
            if package.connection != _without_values(encoded):
                descriptor = os.open(self._values_of(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                with os.fdopen(descriptor, "w") as kept:  # they may hold keys
                    json.dump(dict(values), kept)
            with unfinished.open("wb") as file:
                file.write(encoded)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except OSError as error:
            raise PackageError(f"could not write {path}: {error.strerror}") from error
        self.installed[package.package_id] = package
        return package

    def _kept_values(self, path: Path) -> dict[str, object]:
        """What a package's templates were filled in with. Raises PackageError."""
        kept = self._values_of(path)
        try:
            values = json.loads(kept.read_bytes()) if kept.exists() else {}
        except (OSError, ValueError, RecursionError) as error:
            raise PackageError(f"{kept.name} cannot be read") from error
        return values if isinstance(values, dict) else {}

    def _values_of(self, path: Path) -> Path:
        return path.with_name(f"{path.name}.values.json")

    def load(self, package_id: str) -> bytes | None:
        return self._path(package_id).read_bytes() if package_id in self.installed else None

    def _path(self, package_id: str) -> Path:
        return self._directory / f"{package_id.replace(':', '.')}.tar.gz"
