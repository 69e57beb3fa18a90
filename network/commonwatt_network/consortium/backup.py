"""An organisation in one sealed file: its keys, channels and ledgers. And back, onto a host that has nothing of it yet.

A backup is taken while the organisation's processes stand still, so that its ledgers are whole. On the new host they
catch up with the others: whatever was ordered since is fetched from them.
"""

from __future__ import annotations

import gzip
import shutil
import socket
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from commonwatt_network.consortium.host import OwnHost, lose_logs, open_host
from commonwatt_network.consortium.review import review_block
from commonwatt_network.consortium.sealed import SealedReader, SealError, SealingWriter, check_passphrase
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import ORGANIZATION, Layout
from commonwatt_network.model.state import exclusive
from commonwatt_network.programs import processes
from commonwatt_network.programs.unpacking import unpack

CONNECT_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class Backup:
    """A backup that was written: where, and how large."""

    path: Path
    size_bytes: int


def back_up(host: OwnHost, path: Path, passphrase: str) -> Backup:
    """Write the organisation's keys, blocks and ledgers to `path`, sealed. Raises UsageError while it runs."""
    check_passphrase(passphrase)
    if path.exists():
        raise UsageError(f"{path} exists; nothing was written: name another file")
    with exclusive(host.layout):
        alive = processes.running(host.layout)
        if alive:
            raise UsageError(f"{', '.join(sorted(alive))} runs; stop it first with `commonwatt org stop`")
        temporary = path.with_name(f".{path.name}.unfinished")
        try:
            with temporary.open("wb") as file:
                temporary.chmod(0o600)
                writer = SealingWriter(file, passphrase)
                with (
                    gzip.GzipFile(fileobj=writer, mode="wb", compresslevel=1) as zipped,
                    tarfile.open(fileobj=zipped, mode="w|") as archive,
                ):
                    for source in _sources(host.layout):
                        archive.add(source, source.name)
                writer.finish()
            temporary.replace(path)
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error
        finally:
            temporary.unlink(missing_ok=True)
    return Backup(path, path.stat().st_size)


def restore(path: Path, directory: Path, passphrase: str, *, keep_logs: bool = False) -> OwnHost:
    """Bring the organisation in `path` back into `directory`, which must not hold any network.

    Its orderers come back without their logs, which may be behind what they acknowledged, and wait to be readmitted.
    With `keep_logs` they go on with these: where nobody could readmit them, for no majority is left without them.
    Everything is unpacked and checked beside it first: a wrong passphrase or a damaged file leaves nothing behind.
    Raises UsageError.
    """
    layout = Layout(directory)
    _refuse_existing(layout)
    layout.directory.parent.mkdir(parents=True, exist_ok=True)
    unpacked = Path(tempfile.mkdtemp(prefix=".restore-", dir=layout.directory.parent))
    try:
        _unpack(path, unpacked, passphrase)
        restored = open_host(unpacked)
        _refuse_running_elsewhere(restored)
        if keep_logs:
            _refuse_majority_of_others(restored)
        else:
            lose_logs(restored)
        layout.directory.mkdir(exist_ok=True)
        for source in sorted(unpacked.iterdir(), key=lambda entry: entry.name == ORGANIZATION):
            source.rename(layout.directory / source.name)
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    return open_host(directory)


def _sources(layout: Layout) -> list[Path]:
    parts = (layout.organization_file, layout.organizations, layout.blocks, layout.ledgers)
    return [part for part in parts if part.exists()]


def _refuse_existing(layout: Layout) -> None:
    present = [part.name for part in (*_sources(layout), layout.state_file) if part.exists()]
    if present:
        raise UsageError(
            f"{layout.directory} holds a network already ({', '.join(present)}); nothing was changed: restore into "
            "another folder (--directory)"
        )


def _refuse_running_elsewhere(host: OwnHost) -> None:
    """Two nodes with one key would break the ordering service's promises."""
    for node in host.fabric_nodes:
        try:
            socket.create_connection((node.host, node.port), CONNECT_TIMEOUT_S).close()
        except OSError:
            continue
        raise UsageError(
            f"{node.name} still runs: {node.address} answers; stop it there first, or point that name to this host"
        )


def _refuse_majority_of_others(host: OwnHost) -> None:
    """Old logs may go on where nobody else orders, or one orderer beside one: that has all that was committed."""
    own = {orderer.address for orderer in host.orderers}
    for block in sorted(host.layout.blocks.glob("*.block")):
        config = review_block(block.read_bytes()).config
        others = sorted({each.address for each in config.consenters} - own)
        if others and len(config.consenters) > 2:
            raise UsageError(
                f"{' and '.join(others)} order channel {config.channel} too, and may have committed what this backup "
                f"lacks: leave --keep-logs out, and have {host.name} readmitted; nothing was restored"
            )


def _unpack(path: Path, folder: Path, passphrase: str) -> None:
    try:
        with path.open("rb") as file:
            reader = SealedReader(file, passphrase)
            with tarfile.open(fileobj=reader, mode="r|gz") as archive:
                unpack(archive, folder)
            while reader.read(1 << 20):  # to the very end: a file that was cut short is noticed
                pass
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    except tarfile.TarError as error:
        raise SealError(f"{path}: what it holds is no backup ({error})") from error
