# SPDX-License-Identifier: Apache-2.0
"""Bundles that cannot be right, and the command's own refusals: one line each, and nothing is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from commonwatt_client.command_line import program
from commonwatt_client.errors import ConfigurationError
from commonwatt_community.home.cli import home as home_app
from commonwatt_community.home.new import Bundle, read_bundle

from ....support.command_line import invoke

GOOD = {
    "service": "https://127.0.0.1:1",
    "service_certificate": "-----BEGIN CERTIFICATE-----",
    "home": "h1",
    "net": "n1",
    "channel": "newtown",
    "code": "cw1.h1.1.AAAAAAAAAAAAAAAAAAAAAAAAAA",
    "author": "home",
}


def test_a_bundle_is_read(tmp_path: Path) -> None:
    file = tmp_path / "h1.json"
    file.write_text(json.dumps(GOOD))
    assert read_bundle(file) == Bundle(**GOOD)


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps({**GOOD, "code": 7}), "x" * 100_000])
def test_a_bundle_that_cannot_be_right(tmp_path: Path, content: str) -> None:
    file = tmp_path / "h1.json"
    file.write_text(content)
    with pytest.raises(ConfigurationError, match="no bundle"):
        read_bundle(file)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_bundle(tmp_path / "nowhere")


def app() -> typer.Typer:
    made = program("Run a home.")
    made.add_typer(home_app, name="home")
    return made


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["home", "new"], "name the operator's file with --bundle"),
        (["home", "new", "--bundle", "h1.json", "--meter", "sundial"], "'sundial' is not one of"),
        (["home", "new", "--bundle", "h1.json"], "certificate"),
        (["home", "run"], "commonwatt home new"),
    ],
)
def test_wrong_use_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "h1.json").write_text(json.dumps(GOOD))
    ended = invoke(app(), words)
    assert ended.exit_code == 2
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert [one.name for one in tmp_path.iterdir()] == ["h1.json"]


def test_the_schema_is_printed() -> None:
    ended = invoke(app(), ["home", "schema"])
    assert ended.exit_code == 0
    assert "meter" in json.loads(ended.stdout)["properties"]
