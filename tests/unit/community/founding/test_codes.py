# SPDX-License-Identifier: Apache-2.0
"""Invitation codes: each kind with a key of its own, and nothing but a good one is taken."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from commonwatt_client.errors import ConfigurationError
from commonwatt_community.founding.codes import (
    HOME,
    RESIDENT,
    CodeRefused,
    check_code,
    key_of,
    load_secret,
    make_secret,
    new_code,
)
from hypothesis import given
from hypothesis import strategies as st

SECRET = bytes(range(32))
KEY = key_of(SECRET, HOME)
CODE = new_code(KEY, "h1", 1_000)


def test_a_code_is_for_one_home_until_it_expires() -> None:
    assert CODE.startswith("cw1.h1.1000.")
    assert len(CODE) == len("cw1.h1.1000.") + 26
    assert check_code(KEY, CODE, 999) == "h1"
    with pytest.raises(CodeRefused, match="has expired"):
        check_code(KEY, CODE, 1_000)


def test_kinds_share_no_key_and_no_codes() -> None:
    residents = key_of(SECRET, RESIDENT)
    assert len({SECRET, KEY, residents}) == 3
    with pytest.raises(CodeRefused, match="made no such code"):
        check_code(KEY, new_code(residents, "h1", 1_000, RESIDENT), 0)
    with pytest.raises(CodeRefused):
        check_code(KEY, CODE, 0, RESIDENT)
    assert check_code(residents, new_code(residents, "h1", 1_000, RESIDENT), 0, RESIDENT) == "h1"


@given(place=st.integers(0, len(CODE) - 1), letter=st.characters())
def test_no_letter_of_a_code_can_be_changed(place: int, letter: str) -> None:
    changed = CODE[:place] + letter + CODE[place + 1 :]
    if changed != CODE:
        with pytest.raises(CodeRefused):
            check_code(KEY, changed, 0)


@given(st.text(max_size=200))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(CodeRefused):
        check_code(KEY, text, 0)


def test_a_secret_is_made_once_and_its_owner_alone_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "codes.key"
    secret = make_secret(file)
    assert (len(secret), load_secret(file)) == (32, secret)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(ConfigurationError, match="never overwritten"):
        make_secret(file)
    file.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        load_secret(file)
    file.chmod(0o600)
    file.write_bytes(b"short")
    with pytest.raises(ConfigurationError, match="holds no 32 bytes"):
        load_secret(file)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_secret(tmp_path / "nowhere")
