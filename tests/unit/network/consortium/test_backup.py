"""Backups: whole, sealed, and brought back only where nothing is."""

from __future__ import annotations

import io
import socket
from pathlib import Path

import pytest
from commonwatt_network.consortium import sealed
from commonwatt_network.consortium.backup import back_up, restore
from commonwatt_network.consortium.bundle import own_bundle, parse_bundle
from commonwatt_network.consortium.genesis import consortium_block
from commonwatt_network.consortium.host import OwnHost, init_host
from commonwatt_network.consortium.organization import OrganizationDescription
from commonwatt_network.consortium.sealed import SealedReader, SealError, SealingWriter
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import write_atomically
from commonwatt_network.programs.ports import choose_first_port
from hypothesis import given, settings
from hypothesis import strategies as st

PASSPHRASE = "a passphrase that is long"


@pytest.fixture
def host(tmp_path: Path) -> OwnHost:
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


def seal(content: bytes) -> bytes:
    file = io.BytesIO()
    writer = SealingWriter(file, PASSPHRASE)
    writer.write(content)
    writer.finish()
    return file.getvalue()


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of 16 bytes, and a key that is quickly derived."""
    monkeypatch.setattr(sealed, "CHUNK_BYTES", 16)
    monkeypatch.setattr(sealed, "_key", lambda passphrase, salt: (passphrase.encode() + salt)[:32].ljust(32))


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 32, 100])
def test_what_was_sealed_is_opened(length: int) -> None:
    content = bytes(range(length))
    assert SealedReader(io.BytesIO(seal(content)), PASSPHRASE).read() == content


@pytest.mark.usefixtures("small_chunks")
def test_every_cut_and_every_changed_byte_is_noticed() -> None:
    whole = seal(bytes(50))
    for position in range(len(whole)):
        flipped = bytearray(whole)
        flipped[position] ^= 1
        for broken in (bytes(flipped), whole[:position]):
            with pytest.raises(SealError):
                SealedReader(io.BytesIO(broken), PASSPHRASE).read()


@pytest.mark.usefixtures("small_chunks")
def test_chunks_cannot_be_swapped() -> None:
    whole = seal(bytes(48))
    head, size = len(sealed.MAGIC) + sealed.SALT_BYTES + sealed.PREFIX_BYTES, 4 + 16 + sealed.TAG_BYTES
    swapped = (
        whole[:head]
        + whole[head + size : head + 2 * size]
        + whole[head : head + size]
        + whole[head + 2 * size :]
    )
    with pytest.raises(SealError):
        SealedReader(io.BytesIO(swapped), PASSPHRASE).read()


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_junk_is_no_sealed_file(content: bytes) -> None:
    with pytest.raises(SealError):
        SealedReader(io.BytesIO(content), PASSPHRASE).read()


def test_a_backup_comes_back_with_its_keys_for_their_owner_alone(host: OwnHost, tmp_path: Path) -> None:
    backup = back_up(host, tmp_path / "newtown.backup", PASSPHRASE)
    assert backup.path.stat().st_mode & 0o077 == 0
    back = restore(backup.path, tmp_path / "new" / ".commonwatt", PASSPHRASE)
    for kind in ("organizations", "ledgers"):
        old, new = host.layout.directory / kind, back.layout.directory / kind
        files = [path.relative_to(old) for path in old.rglob("*") if path.is_file()]
        assert files
        for file in files:
            assert (new / file).read_bytes() == (old / file).read_bytes()
            assert (new / file).stat().st_mode & 0o777 == (old / file).stat().st_mode & 0o777
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [".commonwatt"]


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


def test_no_key_can_be_read_from_a_backup(host: OwnHost, tmp_path: Path) -> None:
    content = back_up(host, tmp_path / "newtown.backup", PASSPHRASE).path.read_bytes()
    key = (host.layout.organization("newtown") / "ca" / "ca.key").read_bytes()
    assert b"PRIVATE KEY" not in content
    assert key.splitlines()[1] not in content


def test_another_passphrase_or_a_damaged_file_leaves_nothing_behind(host: OwnHost, tmp_path: Path) -> None:
    path = back_up(host, tmp_path / "newtown.backup", PASSPHRASE).path
    cut = tmp_path / "cut.backup"
    cut.write_bytes(path.read_bytes()[:-20])
    for file, passphrase in ((path, "another long passphrase"), (cut, PASSPHRASE)):
        with pytest.raises(SealError, match="cannot be opened"):
            restore(file, tmp_path / "new" / ".commonwatt", passphrase)
        assert list((tmp_path / "new").iterdir()) == []


def test_an_existing_network_is_never_overwritten(host: OwnHost, tmp_path: Path) -> None:
    path = back_up(host, tmp_path / "newtown.backup", PASSPHRASE).path
    with pytest.raises(UsageError, match="holds a network already"):
        restore(path, host.layout.directory, PASSPHRASE)
    other = tmp_path / "other"
    (other / "ledgers").mkdir(parents=True)
    with pytest.raises(UsageError, match="holds a network already"):
        restore(path, other, PASSPHRASE)


def test_an_organisation_that_still_runs_somewhere_is_not_restored(host: OwnHost, tmp_path: Path) -> None:
    path = back_up(host, tmp_path / "newtown.backup", PASSPHRASE).path
    port = host.peers[0].port
    refused = pytest.raises(UsageError, match=f"peer0.newtown still runs: 127.0.0.1:{port} answers")
    with socket.create_server(("127.0.0.1", port)), refused:
        restore(path, tmp_path / "new" / ".commonwatt", PASSPHRASE)
    assert not (tmp_path / "new" / ".commonwatt").exists()


def test_a_backup_overwrites_nothing_and_wants_a_passphrase(host: OwnHost, tmp_path: Path) -> None:
    path = tmp_path / "newtown.backup"
    with pytest.raises(SealError, match="too short"):
        back_up(host, path, "short")
    path.write_text("precious")
    with pytest.raises(UsageError, match="exists; nothing was written"):
        back_up(host, path, PASSPHRASE)
    assert path.read_text() == "precious"
