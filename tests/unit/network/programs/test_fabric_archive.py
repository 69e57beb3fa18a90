# SPDX-License-Identifier: Apache-2.0
"""Fabric's release archive, fetched from a server of our own: whole, tampered, truncated, for another machine."""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from commonwatt_network.errors import NetworkError, UsageError
from commonwatt_network.programs.fabric_archive import (
    ArchiveError,
    Source,
    install_fabric,
    release_source,
    this_platform,
)

OTHER = {"linux-amd64": 183, "linux-arm64": 62}


def program(machine: int) -> bytes:
    """The header of a Linux program for `machine`, as ELF numbers them."""
    return b"\x7fELF\x02\x01\x01" + bytes(11) + struct.pack("<H", machine) + bytes(64)


def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


class Mirror:
    """A server whose files, and their published digests, a test sets."""

    def __init__(self) -> None:
        self.url = ""
        self.files: dict[str, bytes] = {}
        self.cut_at: int | None = None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        content = self.files.get(request.path)
        if content is None:
            return web.Response(status=404)
        response = web.StreamResponse(headers={"Content-Length": str(len(content))})
        await response.prepare(request)
        await response.write(content[: self.cut_at] if self.cut_at else content)
        if self.cut_at and request.transport:
            request.transport.close()
        return response

    def publish(self, content: bytes, digest: str | None = None) -> None:
        path = f"/v3.1.5/hyperledger-fabric-{this_platform()}-3.1.5.tar.gz"
        self.files[path] = content
        self.files[f"{path}.sha256"] = (
            f"{digest or hashlib.sha256(content).hexdigest()}  fabric.tar.gz\n".encode()
        )


@pytest_asyncio.fixture
async def mirror() -> AsyncIterator[Mirror]:
    server = Mirror()
    application = web.Application()
    application.router.add_get("/{path:.*}", server.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = site.name
    yield server
    await runner.cleanup()


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """A release with runnable stand-ins; their header check is told they fit this machine."""
    monkeypatch.setattr("commonwatt_network.programs.fabric_archive._built_for", lambda path: this_platform())
    script = b"#!/bin/sh\necho 'Version: v3.1.5'\n"
    return {"bin/peer": script, "bin/orderer": script}


async def test_a_release_from_a_mirror(tmp_path: Path, mirror: Mirror, programs: dict[str, bytes]) -> None:
    mirror.publish(archive(programs))
    seen: list[int] = []
    installed = await install_fabric(
        tmp_path, release_source("3.1.5", mirror.url), lambda done, _: seen.append(done)
    )
    assert installed.version == (3, 1, 5)
    assert installed.peer == tmp_path / "fabric" / "bin" / "peer"
    assert seen
    assert left_in(tmp_path) == ["fabric"]


@pytest.mark.parametrize(
    ("system", "machine", "name", "header"),
    [
        ("Linux", "x86_64", "linux-amd64", program(62)),
        ("Linux", "aarch64", "linux-arm64", program(183)),
        ("Darwin", "x86_64", "darwin-amd64", struct.pack("<II", 0xFEEDFACF, 0x01000007) + bytes(64)),
        ("Darwin", "arm64", "darwin-arm64", struct.pack("<II", 0xFEEDFACF, 0x0100000C) + bytes(64)),
    ],
)
async def test_every_platform_gets_its_own_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, machine: str, name: str, header: bytes
) -> None:
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    source = release_source("3.1.5")
    assert source.location == (
        "https://github.com/hyperledger/fabric/releases/download/v3.1.5/"
        f"hyperledger-fabric-{name}-3.1.5.tar.gz"
    )
    # Programs of this platform pass the check of their headers; those of every other one do not.
    path = tmp_path / "fabric.tar.gz"
    for headers, reason in ((header, "cannot be run"), (program(40), "holds programs for linux-other")):
        path.write_bytes(archive({"bin/peer": headers, "bin/orderer": headers}))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        with pytest.raises(NetworkError, match=reason):
            await install_fabric(tmp_path / "n", Source(str(path), digest))


async def test_a_machine_without_a_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(UsageError, match=r"no Fabric release for \w+ on riscv64; build its programs"):
        release_source("3.1.5")


async def test_a_local_archive(tmp_path: Path, programs: dict[str, bytes]) -> None:
    local = tmp_path / "fabric.tar.gz"
    local.write_bytes(archive(programs))
    digest = hashlib.sha256(local.read_bytes()).hexdigest()
    assert (await install_fabric(tmp_path / "n", Source(str(local), digest.upper()))).version == (3, 1, 5)
    with pytest.raises(ArchiveError, match="no SHA-256 is known"):
        await install_fabric(tmp_path / "m", Source(str(local)))


async def test_what_was_installed_stays_when_the_next_fails(
    tmp_path: Path, mirror: Mirror, programs: dict[str, bytes]
) -> None:
    mirror.publish(archive(programs))
    await install_fabric(tmp_path, release_source("3.1.5", mirror.url))
    whole = archive(programs)
    mirror.publish(whole[: len(whole) // 2])
    with pytest.raises(ArchiveError, match="cannot be unpacked"):
        await install_fabric(tmp_path, release_source("3.1.5", mirror.url))
    assert (tmp_path / "fabric" / "bin" / "peer").exists()
    assert left_in(tmp_path) == ["fabric"]


class TestRefusals:
    async def test_tampered(self, tmp_path: Path, mirror: Mirror, programs: dict[str, bytes]) -> None:
        genuine = hashlib.sha256(archive(programs)).hexdigest()
        mirror.publish(archive({**programs, "bin/peer": b"#!/bin/sh\ntouch owned\n"}), genuine)
        with pytest.raises(ArchiveError, match=f"not {genuine}: it is damaged or not the release"):
            await install_fabric(tmp_path, release_source("3.1.5", mirror.url))
        assert left_in(tmp_path) == []

    async def test_truncated_on_the_way(
        self, tmp_path: Path, mirror: Mirror, programs: dict[str, bytes]
    ) -> None:
        mirror.publish(archive(programs))
        mirror.cut_at = 100
        with pytest.raises(ArchiveError, match="broke off"):
            await install_fabric(tmp_path, release_source("3.1.5", mirror.url))
        assert left_in(tmp_path) == []

    async def test_for_another_machine(self, tmp_path: Path, mirror: Mirror) -> None:
        header = program(OTHER.get(this_platform(), 62))
        mirror.publish(archive({"bin/peer": header, "bin/orderer": header}))
        with pytest.raises(ArchiveError, match=f"holds programs for .*; this machine is {this_platform()}"):
            await install_fabric(tmp_path, release_source("3.1.5", mirror.url))
        assert left_in(tmp_path) == []

    async def test_not_a_release(self, tmp_path: Path, mirror: Mirror) -> None:
        mirror.publish(archive({"README": b"hello"}))
        with pytest.raises(ArchiveError, match="holds no bin/peer"):
            await install_fabric(tmp_path, release_source("3.1.5", mirror.url))

    async def test_paths_that_leave_the_folder(self, tmp_path: Path, mirror: Mirror) -> None:
        mirror.publish(archive({"../../escaped": b"x"}))
        with pytest.raises(ArchiveError, match="cannot be unpacked"):
            await install_fabric(tmp_path / "n", release_source("3.1.5", mirror.url))
        assert not (tmp_path / "escaped").exists()

    async def test_not_there(self, tmp_path: Path, mirror: Mirror) -> None:
        with pytest.raises(ArchiveError, match="answered 404"):
            await install_fabric(tmp_path, release_source("3.1.5", mirror.url))

    async def test_no_server(self, tmp_path: Path) -> None:
        with pytest.raises(NetworkError, match="cannot be reached"):
            await install_fabric(tmp_path, release_source("3.1.5", "http://127.0.0.1:9"))

    async def test_wrong_use(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="not a release"):
            release_source("latest")
        with pytest.raises(UsageError, match="not a SHA-256"):
            await install_fabric(tmp_path, Source("fabric.tar.gz", "abc"))
