# SPDX-License-Identifier: Apache-2.0
"""Where everything of one network lies: one folder, `.commonwatt/`, and nothing outside it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

ORGANIZATION = "organization.json"


@dataclass(frozen=True)
class Layout:
    """Paths under a network's folder."""

    directory: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "directory", self.directory.absolute())

    @property
    def network_file(self) -> Path:
        return self.directory / "network.json"

    @property
    def state_file(self) -> Path:
        """Topology, backend and ports of this network, as `network-up` first settled them."""
        return self.directory / "state.json"

    @property
    def code_file(self) -> Path:
        """What code the chaincodes had when their versions were deployed."""
        return self.configuration / "code.json"

    @property
    def organization_file(self) -> Path:
        """The description of a consortium's organisation, where the folder is that of one: others know its identity."""
        return self.directory / ORGANIZATION

    @property
    def development_lock_file(self) -> Path:
        """Locked while `commonwatt chaincode dev` follows the network."""
        return self.directory / "dev.lock"

    @property
    def lock_file(self) -> Path:
        return self.directory / "lock"

    @property
    def organizations(self) -> Path:
        return self.directory / "organizations"

    @property
    def blocks(self) -> Path:
        """Genesis blocks, one per channel."""
        return self.directory / "channels"

    @property
    def ledgers(self) -> Path:
        return self.directory / "ledgers"

    @property
    def configuration(self) -> Path:
        return self.directory / "configuration"

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    @property
    def profiles(self) -> Path:
        return self.directory / "profiles"

    def organization(self, name: str) -> Path:
        return self.organizations / name

    def msp(self, organization: str) -> Path:
        """The organisation's public MSP folder."""
        return self.organization(organization) / "msp"

    def tls_ca_certificate(self, organization: str) -> Path:
        return self.organization(organization) / "tlsca" / "ca.crt"

    def authority(self, organization: str) -> Path:
        """The folder of the organisation's Fabric CA server."""
        return self.directory / "authorities" / organization

    def peer(self, organization: str, peer: str) -> Path:
        return self.organization(organization) / "peers" / peer

    def orderer(self, organization: str, orderer: str) -> Path:
        return self.organization(organization) / "orderers" / orderer

    def user(self, organization: str, user: str) -> Path:
        return self.organization(organization) / "users" / user

    def home_secret(self, organization: str) -> Path:
        """What the ids of the organisation's homes are drawn from."""
        return self.organization(organization) / "homes.secret"

    def chaincode_tls(self, organization: str) -> Path:
        return self.organization(organization) / "chaincode" / "tls"

    def chaincode_client_tls(self, organization: str) -> Path:
        """What the organisation's peers show to its chaincode servers."""
        return self.organization(organization) / "chaincode" / "client"

    def client_tls(self, organization: str) -> Path:
        """What the organisation's clients show to peers that demand a certificate: one pair for them all."""
        return self.organization(organization) / "clients" / "tls"

    def genesis_block(self, channel: str) -> Path:
        return self.blocks / f"{channel}.block"


PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
PRIVATE_PROGRAM = 0o700
PUBLIC_FILE = 0o644  # for files that are handed to others, outside the network's folder
OTHERS = 0o077  # every permission of the group and of everybody else; as a umask, it gives them none
RENDERED = ("compose", "kubernetes")  # files that containers read as users of their own


def keep_private(layout: Layout) -> None:
    """Take the network's folder from everyone but its owner; of one that was open before, each file and folder too.

    Files of containers keep their permissions: the folder above them is closed.
    """
    mode = stat.S_IMODE(layout.directory.stat().st_mode)
    if not mode & OTHERS:
        return
    for folder, folders, files in os.walk(layout.directory, topdown=True):
        if Path(folder) == layout.directory:
            folders[:] = [name for name in folders if name not in RENDERED]
        for name in (*folders, *files):
            _close(Path(folder, name))
    layout.directory.chmod(mode & ~OTHERS)  # last: a walk that was cut off is done again


def _close(path: Path) -> None:
    found = path.lstat()
    if not stat.S_ISLNK(found.st_mode) and stat.S_IMODE(found.st_mode) & OTHERS:
        path.chmod(stat.S_IMODE(found.st_mode) & ~OTHERS)


def make_private(folder: Path) -> None:
    """Make the folder and those above it that are missing, each for its owner alone whatever the umask is."""
    if not folder.exists():
        make_private(folder.parent)
        folder.mkdir(PRIVATE_FOLDER, exist_ok=True)


def write_atomically(path: Path, content: bytes | str, mode: int = PRIVATE_FILE) -> None:
    """Write `content` so that a reader, or a crash, sees the old file or the new one and nothing between.

    Folders that are missing are made: private ones above a private file.
    """
    if mode & OTHERS:
        path.parent.mkdir(parents=True, exist_ok=True)
    else:
        make_private(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    temporary.replace(path)


def default_directory() -> Path:
    """`COMMONWATT_DIRECTORY`, or `.commonwatt` in the current folder."""
    return Path(os.environ.get("COMMONWATT_DIRECTORY") or ".commonwatt").absolute()
