# SPDX-License-Identifier: Apache-2.0
"""An organisation in one encrypted file: its keys, channels and ledgers. And back, onto a host that has nothing of it.

The file is a ZIP of two files of the age format (https://age-encryption.org/v1), which the program `age` reads too.
`organisation.tar.gz.age` is encrypted to a key of its own; `key.age` is that key, encrypted with the passphrase.

A backup is taken while the organisation's processes stand still, so that its ledgers are whole. On the new host they
catch up with the others: whatever was ordered since is fetched from them.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import socket
import tarfile
import tempfile
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pyrage import DecryptError, IdentityError, decrypt_io, encrypt_io, x25519
from pyrage import passphrase as age_passphrase

from commonwatt_network.consortium.host import OwnHost, lose_logs, open_host
from commonwatt_network.consortium.review import review_block
from commonwatt_network.errors import UsageError
from commonwatt_network.model.addresses import split_address
from commonwatt_network.model.layout import ORGANIZATION, PRIVATE_FOLDER, Layout
from commonwatt_network.model.state import exclusive
from commonwatt_network.programs import processes
from commonwatt_network.programs.unpacking import unpack

CONNECT_TIMEOUT_S = 2.0
SHORTEST_PASSPHRASE = 12
TOO_MUCH_WORK = "Excessive work"  # how age words it: pyrage has one type for every failure
KEY, ARCHIVE = "key.age", "organisation.tar.gz.age"
KEY_LIMIT_BYTES = 1 << 16
STORED = zipfile.ZIP_STORED


class BackupError(UsageError):
    """The backup cannot be made or opened: a passphrase too short or another one, damage, or no backup at all."""


@dataclass(frozen=True)
class Backup:
    """A backup that was written: where, and how large."""

    path: Path
    size_bytes: int


def back_up(host: OwnHost, path: Path, passphrase: str) -> Backup:
    """Write the organisation's keys, blocks and ledgers to `path`, encrypted. Raises UsageError while it runs."""
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise BackupError(f"the passphrase is too short: use {SHORTEST_PASSPHRASE} characters or more")
    if path.exists():
        raise UsageError(f"{path} exists; nothing was written: name another file")
    with exclusive(host.layout):
        alive = processes.running(host.layout)
        if alive:
            raise UsageError(f"{', '.join(sorted(alive))} runs; stop it first with `commonwatt org stop`")
        temporary = path.with_name(f".{path.name}.unfinished")
        try:
            temporary.unlink(missing_ok=True)
            temporary.touch(0o600, exist_ok=False)
            _write(temporary, _sources(host.layout), passphrase)
            temporary.replace(path)
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error
        finally:
            temporary.unlink(missing_ok=True)
    return Backup(path, path.stat().st_size)


def restore(path: Path, directory: Path, passphrase: str, *, keep_logs: bool = False) -> OwnHost:
    """Bring the organisation in `path` back into `directory`, which must not hold any network.

    Its orderers come back without their logs, which may be behind what they acknowledged, and wait to be readmitted.
    With `keep_logs` they go on with their logs, as one of at most two orderers of each channel may. The other one alone
    is no majority, so it could not readmit this one.
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
        layout.directory.mkdir(PRIVATE_FOLDER, exist_ok=True)
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
            socket.create_connection(split_address(node.address), CONNECT_TIMEOUT_S).close()
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


def _write(path: Path, sources: list[Path], passphrase: str) -> None:
    """The encrypted archive streams through: an organisation's ledgers may be larger than this machine's memory."""
    identity = x25519.Identity.generate()
    read_end, write_end = os.pipe()
    with (
        zipfile.ZipFile(path, "w") as backup,
        ThreadPoolExecutor(1) as pool,
        os.fdopen(read_end, "rb") as plain,
    ):
        packing = pool.submit(_pack, sources, write_end)
        backup.writestr(KEY, age_passphrase.encrypt(str(identity).encode(), passphrase, armored=True))
        with backup.open(ARCHIVE, "w", force_zip64=True) as sealed:
            encrypt_io(plain, cast(io.BufferedIOBase, sealed), [identity.to_public()])
        packing.result()


def _pack(sources: list[Path], descriptor: int) -> None:
    with (
        os.fdopen(descriptor, "wb") as file,
        gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1) as zipped,
        tarfile.open(fileobj=zipped, mode="w|") as archive,
    ):
        for source in sources:
            archive.add(source, source.name)


def _unpack(path: Path, folder: Path, passphrase: str) -> None:
    """Write what the backup holds into `folder`. Raises BackupError; then only some of it is there."""
    try:
        with zipfile.ZipFile(path) as backup:
            key, sealed = backup.getinfo(KEY), backup.getinfo(ARCHIVE)
            if key.file_size > KEY_LIMIT_BYTES or {key.compress_type, sealed.compress_type} != {STORED}:
                raise BackupError(f"{path} is no backup of `commonwatt org backup`")
            identity = _identity(path, backup.read(key), passphrase)
            with backup.open(sealed) as file:
                _decrypt(path, cast(io.BufferedIOBase, file), identity, folder)
    except (zipfile.BadZipFile, KeyError) as error:
        raise BackupError(f"{path} is no backup of `commonwatt org backup`, or it was cut short") from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error


def _identity(path: Path, key: bytes, passphrase: str) -> x25519.Identity:
    """The key of the archive. age measures this machine first, and takes no key that would cost it too much time."""
    try:
        return x25519.Identity.from_str(age_passphrase.decrypt(key, passphrase).decode())
    except (DecryptError, IdentityError, UnicodeDecodeError) as error:
        if TOO_MUCH_WORK in str(error):
            raise BackupError(
                f"{path} was not opened: this machine is too busy or too slow for it now; repeat the command when it "
                "has less to do"
            ) from error
        raise BackupError(
            f"{path} cannot be opened: the passphrase is another one, or the file is damaged"
        ) from error


def _decrypt(path: Path, sealed: io.BufferedIOBase, identity: x25519.Identity, folder: Path) -> None:
    """Unpack what is decrypted as it comes. age vouches for every piece of it, and at the end for its length."""
    read_end, write_end = os.pipe()

    def decrypt() -> None:
        with os.fdopen(write_end, "wb") as plain:
            decrypt_io(sealed, plain, [identity])

    with ThreadPoolExecutor(1) as pool, os.fdopen(read_end, "rb") as plain:
        decrypting = pool.submit(decrypt)
        try:
            with tarfile.open(fileobj=plain, mode="r|gz") as archive:
                unpack(archive, folder)
            while plain.read(1 << 20):  # to the very end: a file that was cut short is noticed
                pass
            decrypting.result()
        except (DecryptError, tarfile.TarError, OSError, EOFError, zlib.error) as error:
            raise BackupError(f"{path} cannot be opened: it is damaged ({error})") from error
