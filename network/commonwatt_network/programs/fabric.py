# SPDX-License-Identifier: Apache-2.0
"""Hyperledger Fabric's own programs on this machine: where `peer` and `orderer` are, and their version."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from commonwatt_network.errors import UsageError

PROGRAMS = ("peer", "orderer")
OLDEST = (2, 5)


class FabricNotFoundError(UsageError):
    """Fabric's programs are not on this machine, or cannot be run."""


@dataclass(frozen=True)
class FabricPrograms:
    """Where `peer` and `orderer` are, and their version; None when they don't tell it, being built from source."""

    peer: Path
    orderer: Path
    version: tuple[int, ...] | None

    @property
    def version_text(self) -> str:
        if self.version is None:
            return "of unknown version, run as 2.5 is (FABRIC_VERSION=3.1.5 would tell)"
        return ".".join(map(str, self.version))


def find_fabric(directory: Path | None = None, named: str | None = "") -> FabricPrograms:
    """Programs in FABRIC_BIN (or the folder `named`), in the network's own `fabric/bin`, or on PATH.

    FABRIC_VERSION says their version, whatever they say themselves. Raises FabricNotFoundError.
    """
    named = os.environ.get("FABRIC_BIN") if named == "" else named
    own = directory / "fabric" / "bin" if directory else None
    if named:
        search, where = named, f"FABRIC_BIN={named}"
    elif own and own.is_dir():
        search, where = str(own), str(own)
    else:
        search, where = os.environ.get("PATH", ""), "PATH"
    found = {name: shutil.which(name, path=search) for name in PROGRAMS}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise FabricNotFoundError(
            f"{' and '.join(missing)} not found in {where}; run `make fabric` to download Hyperledger Fabric, or "
            "name the folder that holds its programs with FABRIC_BIN"
        )
    peer, orderer = (Path(found[name] or "").absolute() for name in PROGRAMS)
    return FabricPrograms(peer, orderer, _version(orderer))


def _version(program: Path) -> tuple[int, ...] | None:
    answer = _said(program, program.stat().st_mtime_ns)
    said = re.search(r"Version: (\S+)", answer)
    if not said:
        raise FabricNotFoundError(f"{program} does not say which version of Fabric it is: {answer[:80]!r}")
    told = os.environ.get("FABRIC_VERSION")
    matched = re.match(r"v?(\d+)\.(\d+)\.(\d+)", told or said[1])
    if told and not matched:
        raise FabricNotFoundError(f"FABRIC_VERSION={told} is not a release such as 3.1.5")
    return tuple(map(int, matched.groups())) if matched else None


@cache
def _said(program: Path, _changed_ns: int) -> str:
    """What `program version` prints; asked again once the file has changed."""
    try:
        return subprocess.run(
            [program, "version"], capture_output=True, text=True, timeout=20, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise FabricNotFoundError(f"{program} cannot be run on this machine: {error}") from error


def check_version(fabric: FabricPrograms, consensus: str) -> None:
    """Refuse what this version of Fabric cannot run. One that is unknown is taken as it is."""
    if fabric.version is None:
        return
    if fabric.version < OLDEST:
        raise FabricNotFoundError(f"{fabric.orderer} is Fabric {fabric.version_text}; 2.5 or later is needed")
    if consensus == "bft" and fabric.version < (3, 0):
        raise FabricNotFoundError(f"bft needs Fabric 3; {fabric.orderer} is {fabric.version_text}")
