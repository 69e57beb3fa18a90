# SPDX-License-Identifier: Apache-2.0
"""Backups: whole, sealed, and brought back only where nothing is."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from commonwatt_network.consortium.backup import KEY, BackupError, back_up, restore
from commonwatt_network.consortium.bundle import own_bundle, parse_bundle
from commonwatt_network.consortium.genesis import consortium_block
from commonwatt_network.consortium.host import OwnHost, init_host
from commonwatt_network.consortium.organization import OrganizationDescription
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import write_atomically
from commonwatt_network.programs.ports import choose_first_port

PASSPHRASE = "a passphrase that is long"
ARMOR = "-----BEGIN AGE ENCRYPTED FILE-----\n{}\n-----END AGE ENCRYPTED FILE-----\n"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> OwnHost:
    tmp_path = tmp_path_factory.mktemp("newtown")
    description = OrganizationDescription.model_validate(
        {
            "name": "newtown",
            "peers": [{"host": "127.0.0.1", "port": choose_first_port(20, tmp_path)}],
            "homes": 1,
        }
    )
    host = init_host(description, tmp_path / "old" / ".commonwatt")
    ledger = host.layout.ledgers / "peer0.newtown" / "blocks"
    ledger.parent.mkdir(parents=True)
    ledger.write_bytes(bytes(range(256)) * 9000)
    return host


@pytest.fixture(scope="module")
def path(host: OwnHost, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of the host: age takes a second for each passphrase."""
    return back_up(host, tmp_path_factory.mktemp("backup") / "newtown.backup", PASSPHRASE).path


@pytest.mark.parametrize("content", [b"", b"junk", b"age-encryption.org/v1\n", b"PK\x05\x06" + bytes(18)])
def test_junk_is_no_backup(content: bytes, tmp_path: Path) -> None:
    junk = tmp_path / "junk.backup"
    junk.write_bytes(content)
    with pytest.raises(BackupError, match="no backup"):
        restore(junk, tmp_path / "new" / ".commonwatt", PASSPHRASE)


def test_a_machine_that_is_too_busy_is_not_told_that_the_passphrase_is_wrong(
    path: Path, tmp_path: Path
) -> None:
    busy = tmp_path / "busy.backup"
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(busy, "w") as changed:
        for name in whole.namelist():
            content = whole.read(name)
            if name == KEY:  # as a machine sees it that needs months for it
                sealed = b64decode(b"".join(content.splitlines()[1:-1]))
                more = re.sub(rb"(-> scrypt \S+) \d+", rb"\1 40", sealed)
                lines = textwrap.wrap(b64encode(more).decode(), 64)
                content = ARMOR.format("\n".join(lines)).encode()
            changed.writestr(name, content)
    with pytest.raises(BackupError, match="too busy or too slow"):
        restore(busy, tmp_path / "new" / ".commonwatt", PASSPHRASE)


@pytest.mark.long
def test_damage_is_noticed(path: Path, tmp_path: Path) -> None:
    whole = path.read_bytes()
    end = whole.rindex(b"PK\x01\x02", 0, whole.rindex(b"PK\x01\x02"))  # where ZIP's own directory begins
    damaged = tmp_path / "damaged.backup"
    for position in (end // 2, end - 30):
        damaged.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(BackupError, match="damaged"):
            restore(damaged, tmp_path / "new" / ".commonwatt", PASSPHRASE)
        assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.skipif(shutil.which("age") is None, reason="the program age is not on PATH (Debian package age)")
def test_the_program_age_reads_a_backup(host: OwnHost, path: Path, tmp_path: Path) -> None:
    """As docs/consortium.md says: by hand, without this kit. age asks for the passphrase at a terminal."""
    with zipfile.ZipFile(path) as backup:
        backup.extractall(tmp_path)
    command = ["age", "--decrypt", "-i", "key.age", "-o", "organisation.tar.gz", "organisation.tar.gz.age"]
    at_terminal = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    with subprocess.Popen(
        [sys.executable, "-c", at_terminal, *command],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        asked = b""
        while b"passphrase" not in asked:
            more = os.read(process.stdout.fileno(), 1024)
            assert more, asked
            asked += more
        process.stdin.write(PASSPHRASE.encode() + b"\n")
        process.stdin.flush()
        rest = process.stdout.read()
    assert process.returncode == 0, asked + rest
    with tarfile.open(tmp_path / "organisation.tar.gz") as archive:
        ledger = archive.extractfile("ledgers/peer0.newtown/blocks")
        assert ledger is not None
        assert ledger.read() == (host.layout.ledgers / "peer0.newtown" / "blocks").read_bytes()


def test_a_backup_comes_back_with_its_keys_for_their_owner_alone(
    host: OwnHost, path: Path, tmp_path: Path
) -> None:
    assert path.stat().st_mode & 0o077 == 0
    back = restore(path, tmp_path / "new" / ".commonwatt", PASSPHRASE)
    for kind in ("organizations", "ledgers"):
        old, new = host.layout.directory / kind, back.layout.directory / kind
        files = [path.relative_to(old) for path in old.rglob("*") if path.is_file()]
        assert files
        for file in files:
            assert (new / file).read_bytes() == (old / file).read_bytes()
            assert (new / file).stat().st_mode & 0o777 == (old / file).stat().st_mode & 0o777
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [".commonwatt"]


@pytest.mark.long
def test_an_orderer_comes_back_as_another_voter_without_its_log(tmp_path: Path) -> None:
    host = ordering_host(tmp_path, "newtown", "glebe", "grid")
    path = back_up(host, tmp_path / "newtown.backup", PASSPHRASE).path
    with pytest.raises(UsageError, match="may have committed what this backup lacks"):
        restore(path, tmp_path / "new" / ".commonwatt", PASSPHRASE, keep_logs=True)
    back = restore(path, tmp_path / "new" / ".commonwatt", PASSPHRASE)
    assert back.waiting_orderers == back.orderers
    assert back.working.fabric_nodes == back.peers
    assert not back.orderers[0].ledger.exists()
    assert (back.layout.ledgers / "peer0.newtown" / "log").exists()
    before, after = own_bundle(host), own_bundle(back)
    assert before.orderers[0].tls_certificate != after.orderers[0].tls_certificate
    assert (before.tls_authority, before.peers) == (after.tls_authority, after.peers)
    assert parse_bundle(after.to_json().encode(), "file") == after


def test_an_orderer_that_nobody_could_readmit_may_keep_its_log(tmp_path: Path) -> None:
    host = ordering_host(tmp_path, "newtown", "glebe")
    path = back_up(host, tmp_path / "newtown.backup", PASSPHRASE).path
    back = restore(path, tmp_path / "new" / ".commonwatt", PASSPHRASE, keep_logs=True)
    assert back.waiting_orderers == ()
    assert (back.orderers[0].ledger / "log").exists()
    assert own_bundle(back) == own_bundle(host)


def ordering_host(folder: Path, *names: str) -> OwnHost:
    """The first organisation, on a channel that all of them order."""
    hosts = []
    for name in names:
        first = choose_first_port(20, folder)
        description = {
            "name": name,
            "orderers": [{"host": f"{name}.invalid", "port": first}],
            "peers": [{"host": f"{name}.invalid", "port": first + 1}],
        }
        settings = OrganizationDescription.model_validate(description)
        hosts.append(init_host(settings, folder / name / ".commonwatt"))
    host = hosts[0]
    block = consortium_block("newtown", [own_bundle(each) for each in hosts], "majority")
    write_atomically(host.layout.genesis_block("newtown"), block)
    for node in host.fabric_nodes:
        write_atomically(node.ledger / "log", "a log")
    return host


def test_no_key_can_be_read_from_a_backup(host: OwnHost, path: Path, tmp_path: Path) -> None:
    content = path.read_bytes()
    key = (host.layout.organization("newtown") / "ca" / "ca.key").read_bytes()
    assert b"PRIVATE KEY" not in content
    assert key.splitlines()[1] not in content


@pytest.mark.long
def test_another_passphrase_or_a_damaged_file_leaves_nothing_behind(
    host: OwnHost, path: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.backup"
    cut.write_bytes(path.read_bytes()[:-20])
    for file, passphrase in ((path, "another long passphrase"), (cut, PASSPHRASE)):
        with pytest.raises(BackupError, match="cannot be opened|cut short"):
            restore(file, tmp_path / "new" / ".commonwatt", passphrase)
        assert list((tmp_path / "new").iterdir()) == []


def test_an_existing_network_is_never_overwritten(host: OwnHost, path: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds a network already"):
        restore(path, host.layout.directory, PASSPHRASE)
    other = tmp_path / "other"
    (other / "ledgers").mkdir(parents=True)
    with pytest.raises(UsageError, match="holds a network already"):
        restore(path, other, PASSPHRASE)


def test_an_organisation_that_still_runs_somewhere_is_not_restored(
    host: OwnHost, path: Path, tmp_path: Path
) -> None:
    port = host.peers[0].port
    refused = pytest.raises(UsageError, match=f"peer0.newtown still runs: 127.0.0.1:{port} answers")
    with socket.create_server(("127.0.0.1", port)), refused:
        restore(path, tmp_path / "new" / ".commonwatt", PASSPHRASE)
    assert not (tmp_path / "new" / ".commonwatt").exists()


def test_a_backup_overwrites_nothing_and_wants_a_passphrase(host: OwnHost, tmp_path: Path) -> None:
    path = tmp_path / "newtown.backup"
    with pytest.raises(BackupError, match="too short"):
        back_up(host, path, "short")
    path.write_text("precious")
    with pytest.raises(UsageError, match="exists; nothing was written"):
        back_up(host, path, PASSPHRASE)
    assert path.read_text() == "precious"
