# SPDX-License-Identifier: Apache-2.0
"""A program of three verbs, one of them in a group: what it has from `commonwatt_client.command_line`."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest
import typer
from commonwatt_client.command_line import give_examples, program
from commonwatt_client.exit_codes import UsageError, run
from commonwatt_client.verbosity import forget, quiet, say, verbose

from ...support.command_line import invoke


@pytest.fixture(autouse=True)
def _said_as_before() -> Iterator[None]:
    level = logging.getLogger().level
    yield
    forget()
    logging.getLogger().setLevel(level)


def greet(name: str) -> None:
    """Greet somebody."""
    say(f"greeting {name}")
    print(f"hello {name}")
    if verbose():
        print("in many words")


def refuse() -> None:
    """Refuse."""
    raise UsageError("nothing to do")


def ask() -> None:
    """Ask a question."""
    print(typer.confirm("really?"))


@pytest.fixture
def app() -> typer.Typer:
    app = program("Says things.")
    app.command("greet")(greet)
    app.command("refuse")(refuse)
    inner = typer.Typer(no_args_is_help=True)
    inner.command("ask")(ask)
    app.add_typer(inner, name="more")
    give_examples(app, {"greet": "says greet ada\nsays greet bo -q", "more ask": "says more ask"})
    return app


def test_examples_stand_under_the_help(app: typer.Typer) -> None:
    shown = invoke(app, ["greet", "-h"]).stdout
    assert shown.index("Examples:") < shown.index("says greet ada") < shown.index("says greet bo -q")
    assert "says more ask" in invoke(app, ["more", "ask", "--help"]).stdout
    assert "Examples:" not in invoke(app, ["refuse", "-h"]).stdout


@pytest.mark.parametrize("verb", ["gret", "more gret", "less ask"])
def test_an_example_of_no_verb_is_a_fault(app: typer.Typer, verb: str) -> None:
    with pytest.raises(KeyError, match=verb):
        give_examples(app, {verb: "says nothing"})


def test_quiet_and_verbose_count_for_one_command_alone(app: typer.Typer) -> None:
    assert invoke(app, ["greet", "ada", "-q"]).stdout == "hello ada\n"
    assert quiet()
    assert invoke(app, ["greet", "ada"]).stdout == "greeting ada\nhello ada\n"
    assert invoke(app, ["greet", "ada", "-v"]).stdout == "greeting ada\nhello ada\nin many words\n"
    assert logging.getLogger().level == logging.INFO
    assert "in many words" in invoke(app, ["greet", "ada", "-vv"]).stdout
    assert logging.getLogger().level == logging.DEBUG


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", ""),
        ("gret ada", "root: no such command 'gret'. Did you mean 'greet'?; `root -h` shows what it takes\n"),
        ("greet", "root greet: missing argument 'name'; `root greet -h` shows what it takes\n"),
        (
            "greet a b",
            "root greet: got unexpected extra argument(s) (b); `root greet -h` shows what it takes\n",
        ),
        ("more", ""),
    ],
)
def test_wrong_use_is_one_line(app: typer.Typer, words: str, told: str) -> None:
    ended = invoke(app, words.split())
    assert (ended.exit_code, ended.stderr) == (2, told)
    assert bool(ended.stdout) is not bool(told), "the help, where nothing was asked for"


def test_a_question_that_nobody_answers_is_an_interrupted_command(
    app: typer.Typer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = typer.main.get_command(app)
    for typed, code in (("y\n", 0), ("", 130)):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as end:
            run("says", lambda: command.main(["more", "ask"], prog_name="says"))
        assert (end.value.code or 0) == code
    assert capsys.readouterr().err.startswith("says: interrupted")


def test_an_error_comes_with_its_origin_where_the_caller_asked_for_it(
    app: typer.Typer, capsys: pytest.CaptureFixture[str]
) -> None:
    command = typer.main.get_command(app)
    for words, origin in ((["refuse"], False), (["refuse", "--verbose"], True)):
        with pytest.raises(SystemExit) as end:
            run("says", lambda words=words: command.main(words, prog_name="says"))
        told = capsys.readouterr().err
        assert (end.value.code, "Traceback" in told) == (2, origin)
        assert told.endswith("says: nothing to do\n")
