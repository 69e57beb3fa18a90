# SPDX-License-Identifier: Apache-2.0
"""A secret is nobody else's, replaces what was there, and follows no link that somebody put in its way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from commonwatt_client.errors import ConfigurationError
from commonwatt_community.secret_file import write_secret


def test_a_secret_is_of_mode_0600_and_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "secret"
    write_secret(path, b"one")
    path.chmod(0o644)
    write_secret(path, b"two")
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert os.listdir(path.parent) == ["secret"]


def test_what_a_crash_or_a_stranger_left_beside_it_gets_nothing(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"kept")
    (tmp_path / f".secret.{os.getpid()}").symlink_to(other)
    write_secret(tmp_path / "secret", b"mine")
    assert other.read_bytes() == b"kept"
    assert (tmp_path / "secret").read_bytes() == b"mine"


def test_a_place_that_takes_no_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigurationError, match="file/secret cannot be written"):
        write_secret(tmp_path / "file" / "secret", b"")
