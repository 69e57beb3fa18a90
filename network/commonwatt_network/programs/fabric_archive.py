# SPDX-License-Identifier: Apache-2.0
"""Hyperledger Fabric's programs for the backend native: the official archive, checked before anything of it runs.

The archive comes from the project's releases, a mirror, or a local file. Its SHA-256 is given, or stands beside it in a
`.sha256` file, or is what the releases' own listing says; without one nothing is installed.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import shutil
import struct
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from commonwatt_network.errors import NetworkError, UsageError
from commonwatt_network.programs.fabric import PROGRAMS, FabricPrograms, find_fabric
from commonwatt_network.programs.unpacking import unpack

VERSION = "3.1.5"
RELEASES = "https://github.com/hyperledger/fabric/releases/download"
LISTING = "https://api.github.com/repos/hyperledger/fabric/releases/tags"
CHUNK_BYTES = 1 << 20
UNPACKED_LIMIT_BYTES = 2 << 30
MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
ELF_MACHINES = {62: "amd64", 183: "arm64"}
MACH_O_MACHINES = {0x01000007: "amd64", 0x0100000C: "arm64"}
MACH_O_MAGIC = 0xFEEDFACF

Progress = Callable[[int, int | None], None]


def _unseen(done: int, total: int | None) -> None:
    """Progress that nobody watches."""


class ArchiveError(NetworkError):
    """The archive could not be fetched, or is not what it should be; nothing was installed."""


@dataclass(frozen=True)
class Source:
    """Where the archive comes from. `location`: a URL or a file; `sha256`: hexadecimal, None to look it up."""

    location: str
    sha256: str | None = None


def this_platform() -> str:
    """The archive's name for this machine: `linux-amd64`, `darwin-arm64`, ... Raises UsageError for others."""
    system = platform.system().lower()
    machine = MACHINES.get(platform.machine().lower())
    if system not in ("linux", "darwin") or machine is None:
        raise UsageError(
            f"there is no Fabric release for {platform.system()} on {platform.machine()}; build its programs and name "
            "their folder with FABRIC_BIN, or stay with the embedded network"
        )
    return f"{system}-{machine}"


def release_source(version: str, mirror: str | None = None, sha256: str | None = None) -> Source:
    """The archive of a release for this machine, from the project itself or from a mirror of its releases."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise UsageError(f"FABRIC_VERSION={version} is not a release such as {VERSION}")
    base = (mirror or RELEASES).rstrip("/")
    return Source(f"{base}/v{version}/hyperledger-fabric-{this_platform()}-{version}.tar.gz", sha256)


async def install_fabric(directory: Path, source: Source, progress: Progress = _unseen) -> FabricPrograms:
    """Fetch, check and unpack the archive into `directory`/fabric. Raises ArchiveError and leaves what was there."""
    if source.sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", source.sha256):
        raise UsageError(f"FABRIC_SHA256={source.sha256} is not a SHA-256: 64 hexadecimal digits")
    with _workshop(directory) as folder:
        archive, unpacked = folder / "archive.tar.gz", folder / "unpacked"
        digest = await _obtain(source, archive, progress)
        wanted = source.sha256 or await _published_digest(source.location)
        if digest != wanted.lower():
            raise ArchiveError(
                f"{source.location} has SHA-256 {digest}, not {wanted.lower()}: it is damaged or not the release; "
                "fetch it again or from elsewhere"
            )
        _unpack(archive, unpacked, source.location)
        for name in PROGRAMS:
            _check_program(unpacked / "bin" / name, source.location)
        shutil.rmtree(directory / "fabric", ignore_errors=True)
        unpacked.replace(directory / "fabric")
    return find_fabric(directory, named=None)


@contextmanager
def _workshop(directory: Path) -> Iterator[Path]:
    """A folder beside the target, so that what was checked there moves into place in one step."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fabric-", dir=directory) as folder:
        yield Path(folder)


async def _obtain(source: Source, archive: Path, progress: Progress) -> str:
    """Copy or download the archive; its SHA-256."""
    if "://" in source.location:
        return await _download(source.location, archive, progress)
    try:
        shutil.copyfile(source.location, archive)
    except OSError as error:
        raise ArchiveError(f"{source.location}: {error.strerror}") from error
    with archive.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def _download(url: str, archive: Path, progress: Progress) -> str:
    digest = hashlib.sha256()
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=20, sock_read=60)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
            session.get(url) as answer,
        ):
            if answer.status != 200:
                raise ArchiveError(
                    f"{url} answered {answer.status} {answer.reason}; check the version and the mirror"
                )
            done = 0
            with archive.open("wb") as file:
                async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                    file.write(chunk)
                    digest.update(chunk)
                    done += len(chunk)
                    progress(done, answer.content_length)
    except (aiohttp.ClientError, TimeoutError) as error:
        reason = str(error) or type(error).__name__
        raise ArchiveError(
            f"{url} broke off or cannot be reached ({reason}); try again, or give a mirror"
        ) from error
    return digest.hexdigest()


async def _published_digest(location: str) -> str:
    """The SHA-256 that stands beside the archive, or in the releases' listing."""
    beside = f"{location}.sha256"
    if "://" not in location:
        text = _file_text(Path(beside))
    elif location.startswith(RELEASES):
        text = await _listed_digest(location)
    else:
        text = await _text(beside)
    matched = re.search(r"\b[0-9a-fA-F]{64}\b", text)
    if not matched:
        raise ArchiveError(
            f"no SHA-256 is known for {location}; give it with FABRIC_SHA256, or put it into {beside}"
        )
    return matched.group()


def _file_text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


async def _listed_digest(location: str) -> str:
    version, name = location.split("/")[-2:]
    text = await _text(f"{LISTING}/{version}")
    try:
        assets = json.loads(text)["assets"]
        return next(str(asset["digest"]) for asset in assets if asset["name"] == name)
    except (ValueError, KeyError, StopIteration, TypeError):
        return ""


async def _text(url: str) -> str:
    try:
        timeout = aiohttp.ClientTimeout(total=30)
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
            session.get(url) as answer,
        ):
            return await answer.text() if answer.status == 200 else ""
    except (aiohttp.ClientError, TimeoutError):
        return ""


def _unpack(archive: Path, target: Path, location: str) -> None:
    try:
        with tarfile.open(archive, "r:gz") as tar:
            members = tar.getmembers()
            if sum(member.size for member in members) > UNPACKED_LIMIT_BYTES:
                raise ArchiveError(
                    f"{location} unpacks to more than {UNPACKED_LIMIT_BYTES >> 30} GiB: not a release"
                )
            unpack(tar, target)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ArchiveError(f"{location} cannot be unpacked ({error}); fetch it again") from error


def _check_program(program: Path, location: str) -> None:
    if not program.is_file():
        raise ArchiveError(f"{location} holds no bin/{program.name}: not a release of Hyperledger Fabric")
    built_for = _built_for(program)
    if built_for != this_platform():
        raise ArchiveError(f"{location} holds programs for {built_for}; this machine is {this_platform()}")


def _built_for(program: Path) -> str:
    """The platform of an executable, by its header (ELF, Mach-O)."""
    with program.open("rb") as file:
        header = file.read(20)
    if header[:4] == b"\x7fELF" and len(header) == 20:
        return f"linux-{ELF_MACHINES.get(struct.unpack('<H', header[18:20])[0], 'other')}"
    if len(header) >= 8 and struct.unpack("<I", header[:4])[0] == MACH_O_MAGIC:
        return f"darwin-{MACH_O_MACHINES.get(struct.unpack('<I', header[4:8])[0], 'other')}"
    return "something else"
