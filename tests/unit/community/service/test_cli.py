# SPDX-License-Identifier: Apache-2.0
"""The service's verbs: what they make, and one line for what they cannot do."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest
import typer
from commonwatt_community.service.caller import Role
from commonwatt_community.service.cli import register
from commonwatt_community.service.invitations import Invitations
from commonwatt_community.service.settings import OPERATORS_KEY, RESIDENTS_KEY
from commonwatt_community.service.store import Store

from ....support.command_line import Ended, invoke


def ran(*arguments: str) -> Ended:
    app = typer.Typer()
    register(app)
    return invoke(app, list(arguments))


def test_an_operator_is_invited_by_an_address_that_the_service_takes(tmp_path: Path) -> None:
    options = ("--folder", str(tmp_path), "--address", "energy.example:8443")
    ended = ran("service", "invite-operator", "olga", *options)
    address, _, code = ended.stdout.strip().partition("#")
    assert address == "https://energy.example:8443/join"
    keys = [(tmp_path / name).read_bytes() for name in (RESIDENTS_KEY, OPERATORS_KEY)]
    invitation = Invitations(*keys).read(code)
    assert (invitation.role, invitation.subject) == (Role.OPERATOR, "olga")
    assert ran("service", "invite-operator", "no name", *options).exit_code == 2


def test_a_backup_needs_a_file_to_copy(tmp_path: Path) -> None:
    options = ("--folder", str(tmp_path))
    assert ran("service", "backup", str(tmp_path / "copy.db"), *options).exit_code == 2
    Store(tmp_path / "service.db").close()
    assert ran("service", "backup", str(tmp_path / "copy.db"), *options).exit_code == 0
    assert ran("service", "backup", str(tmp_path / "copy.db"), *options).exit_code == 2


@pytest.mark.parametrize("content", [None, b"", b"a.b.c"])
def test_a_key_that_is_none_is_told_at_once(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "receipts-key.jws"
    if content is not None:
        path.write_bytes(content)
    ended = ran("service", "set-key", str(path), "--user", "operator@newtown")
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert str(path) in ended.stderr


def test_without_the_extra_the_command_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *more: Any, **named: Any) -> Any:
        if name == "running":
            raise ModuleNotFoundError("No module named 'aiohttp'", name="aiohttp")
        return real(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    ended = ran("serve", "--network", str(tmp_path / "network.json"))
    assert ended.exit_code == 2
    assert "commonwatt-community[service]" in ended.stderr
