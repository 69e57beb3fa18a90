# SPDX-License-Identifier: Apache-2.0
"""`commonwatt plugin list` and `commonwatt plugin new`."""

import pytest
import typer
from commonwatt_client.exit_codes import UsageError
from commonwatt_community.plugins import cli
from commonwatt_community.plugins.discovery import Broken
from typer.testing import CliRunner


@pytest.fixture
def app():
    app = typer.Typer()
    cli.register(app)
    return app


def test_the_list_names_what_there_is_and_what_is_skipped(app, monkeypatch):
    def working(kind, told):
        if kind == "forecasts":
            told(Broken("tide", "shore", "shore:Tide does not load: ImportError: no moon"))
        return {"reserve": None}

    monkeypatch.setattr("commonwatt_community.plugins.discovery.working", working)
    done = CliRunner().invoke(app, ["plugin", "list"])
    assert done.exit_code == 0, done.output
    assert "forecasts:" in done.output
    assert "meters:\n  reserve " in done.output
    assert "skipped: tide of package shore: shore:Tide does not load: ImportError: no moon" in done.output


def test_a_new_plug_in_says_what_to_do_next(app, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["plugin", "new", "battery", "tide"])
    assert done.exit_code == 0, done.output
    assert "cd tide && python3 -m pytest" in done.output
    assert (tmp_path / "tide" / "README.md").is_file()
    again = CliRunner().invoke(app, ["plugin", "new", "battery", "tide"])
    assert isinstance(again.exception, UsageError)
