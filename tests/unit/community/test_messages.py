# SPDX-License-Identifier: Apache-2.0
"""A home's side of messages: keys that nobody else reads, numbers never used twice, a journal that survives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commonwatt_audit.messages import Signer, statement
from commonwatt_chaincode.messages.fields import FIELDS
from commonwatt_chaincode.messages.message import accepted, read
from commonwatt_chaincode.messages.refusals import MessageRefused
from commonwatt_client.errors import ConfigurationError
from commonwatt_community.market.receipts import Service
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.compose import new_nonce
from commonwatt_community.messages.journal import Journal
from commonwatt_community.messages.signing_key import SigningKey, load_key, make_key
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

PERIOD = 29_400_000


@pytest.fixture(params=["ES256", "EdDSA"])
def key(request: pytest.FixtureRequest, tmp_path: Path) -> SigningKey:
    return make_key(tmp_path / "keys" / "home.pem", request.param)


def author(key: SigningKey, journal: Journal) -> Author:
    return Author(key, journal, "net1", "newtown", "h-1")


def test_all_that_a_home_says_is_accepted_by_both_parsers(key: SigningKey, tmp_path: Path) -> None:
    with Journal(tmp_path / "journal") as journal:
        home = author(key, journal)
        said = [
            home.request(PERIOD, 500, 300_000),
            home.offer(PERIOD, 700, -5),
            home.withdraw(PERIOD),
            home.reading(PERIOD, 400, 0, import_total_wh=12_000),
            home.brings_key(key.public, 1),
            home.login("energy.example", new_nonce()),
            Service(key, "net1", "newtown", "NewtownMSP.service").receipt(b"a message", "0" * 64),
        ]
    named = {"net": "net1", "channel": "newtown", "typs": FIELDS}
    read_back = [accepted(compact, key.public, **named) for compact in said]
    assert [one.typ for one in read_back] == list(FIELDS)
    assert [one.seq for one in read_back[:4]] == [1, 2, 3, 1]
    for compact, one in zip(said, read_back, strict=True):
        assert (
            statement(compact, Signer(key.public.jwk), "net1", "newtown", FIELDS.keys()).payload
            == one.payload
        )
    kept = [json.loads(line)["message"] for line in (tmp_path / "journal").read_text().splitlines()]
    assert kept == [compact.decode() for compact in said[:5]]
    assert len({one.payload["nonce"] for one in read_back}) == 7


def test_a_key_is_its_owners_alone_and_never_overwritten(key: SigningKey, tmp_path: Path) -> None:
    path = tmp_path / "keys" / "home.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [found.name for found in path.parent.iterdir()] == ["home.pem"]
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="exists"):
        make_key(path)
    assert path.read_bytes() == before
    assert [found.name for found in path.parent.iterdir()] == ["home.pem"]
    assert load_key(path).public == key.public
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        load_key(path)


def test_the_umask_does_not_open_a_key(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_key(tmp_path / "key.pem")
        Journal(tmp_path / "journal").close()
    finally:
        os.umask(before)
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o600


def test_keys_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_key(path)
    with pytest.raises(ConfigurationError, match="RS256"):
        make_key(path, "RS256")
    p256 = ec.generate_private_key(ec.SECP256R1())
    p384 = ec.generate_private_key(ec.SECP384R1())
    pem = (Encoding.PEM, PrivateFormat.PKCS8)
    for content in (
        b"",
        b"no key",
        b"\xff" * 100_000,
        p256.private_bytes(*pem, BestAvailableEncryption(b"secret")),
        p384.private_bytes(*pem, NoEncryption()),
        rsa.generate_private_key(65_537, 2_048).private_bytes(*pem, NoEncryption()),
    ):
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(ConfigurationError, match=r"key\.pem"):
            load_key(path)


def test_numbers_go_on_after_a_restart(key: SigningKey, tmp_path: Path) -> None:
    for expected in (1, 2, 3):
        with Journal(tmp_path / "journal") as journal:
            assert read(author(key, journal).request(PERIOD, 5, 5)).seq == expected
            assert read(author(key, journal).request(PERIOD + expected, 5, 5)).seq == 1
            assert read(author(key, journal).reading(PERIOD, 5, 5)).seq == expected


def test_a_period_has_32_messages(key: SigningKey, tmp_path: Path) -> None:
    with Journal(tmp_path / "journal") as journal:
        home = author(key, journal)
        assert [read(home.withdraw(PERIOD)).seq for _ in range(32)] == list(range(1, 33))
        with pytest.raises(ConfigurationError, match="all of its 32 messages of kind bid"):
            home.withdraw(PERIOD)
        home.reading(PERIOD, 1, 0)


def test_what_everybody_would_refuse_is_not_signed_and_uses_no_number(
    key: SigningKey, tmp_path: Path
) -> None:
    with Journal(tmp_path / "journal") as journal:
        home = author(key, journal)
        for wrong in (0, -1, 10**10, 1.5, "5", True, None, float("nan")):
            value: Any = wrong
            with pytest.raises(MessageRefused):
                home.request(PERIOD, value, 5)
        with pytest.raises(MessageRefused):
            home.reading(PERIOD, 1, 1, "guessed")
        assert (tmp_path / "journal").read_bytes() == b""
        assert read(home.request(PERIOD, 5, 5)).seq == 1


def test_one_process_holds_a_journal(key: SigningKey, tmp_path: Path) -> None:
    with Journal(tmp_path / "journal"), pytest.raises(ConfigurationError, match="another process"):
        Journal(tmp_path / "journal")
    with Journal(tmp_path / "journal") as journal:
        pass
    with pytest.raises(ConfigurationError, match="is closed"):
        author(key, journal).withdraw(PERIOD)


def test_a_torn_last_line_is_cut_off_and_its_number_used_again(key: SigningKey, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path) as journal:
        author(key, journal).withdraw(PERIOD)
        author(key, journal).withdraw(PERIOD)
    whole = path.read_bytes()
    first_line = whole.index(b"\n") + 1
    for size in range(first_line, len(whole), 37):
        path.write_bytes(whole[:size])
        with Journal(path) as journal:
            assert path.read_bytes() == whole[:first_line]
            assert read(author(key, journal).withdraw(PERIOD)).seq == 2


def test_a_damaged_journal_is_refused_and_stays_as_it_is(key: SigningKey, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path) as journal:
        author(key, journal).withdraw(PERIOD)
    line = path.read_bytes()
    lines = (b"", b"{}", b"[]", b"5", b'{"message":5}', b"\xff", line[:50], b"x" * 10_000, b"[" * 900)
    for wrong in (*(one + b"\n" for one in lines), b"x" * 10_000):
        path.write_bytes(line + wrong + line)
        with pytest.raises(ConfigurationError, match="line 2 of the journal"):
            Journal(path)
        assert path.read_bytes() == line + wrong + line


def test_a_full_disk_loses_nothing_and_sends_nothing(
    key: SigningKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal"
    real = os.write
    with Journal(path) as journal:
        home = author(key, journal)
        home.withdraw(PERIOD)
        before = path.read_bytes()
        monkeypatch.setattr(os, "write", lambda descriptor, content: real(descriptor, content[:40]))
        with pytest.raises(ConfigurationError, match="cannot be written"):
            home.withdraw(PERIOD)
        assert path.read_bytes() == before
        monkeypatch.setattr(os, "write", real)
        assert read(home.withdraw(PERIOD)).seq == 2


SPEAKER = """
import sys
from pathlib import Path
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.journal import Journal
from commonwatt_community.messages.signing_key import load_key

folder = Path(sys.argv[1])
with Journal(folder / "journal") as journal:
    home = Author(load_key(folder / "keys" / "home.pem"), journal, "net1", "newtown", "h-1")
    for period in range(1_000):
        while journal.highest_seq("net1", "newtown", "h-1", period, "bid") < 32:
            sys.stdout.buffer.write(home.withdraw(period) + b"\\n")
            sys.stdout.buffer.flush()
"""


def test_killed_at_any_moment_no_number_is_signed_twice(tmp_path: Path) -> None:
    make_key(tmp_path / "keys" / "home.pem")
    said: dict[tuple[int, int], str] = {}
    for messages in (5, 40):
        command = [sys.executable, "-c", SPEAKER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as speaker:
            assert speaker.stdout is not None
            heard = [speaker.stdout.readline() for _ in range(messages)]
            speaker.kill()
            heard += [line for line in speaker.stdout if line.endswith(b"\n")]
        for one in (read(line.rstrip(b"\n")) for line in heard):
            assert said.setdefault((one.period, one.seq), one.digest) == one.digest
    assert len(said) >= 45
