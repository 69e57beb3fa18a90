# SPDX-License-Identifier: Apache-2.0
"""What every verb of `commonwatt` keeps to: walks all of them, so that none that comes later leaves it."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from commonwatt_network.cli.examples import EXAMPLES
from commonwatt_network.cli.main import PANELS, build_app
from typer.core import TyperGroup

from ..support.command_line import Ended, invoke

APP = build_app()
ROOT = typer.main.get_group(APP)


def verbs(group: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    for verb, command in group.commands.items():
        path = f"{name} {verb}".strip()
        if isinstance(command, TyperGroup):
            yield from verbs(command, path)
        else:
            yield path, command


def groups(group: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    yield name, group
    for verb, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from groups(command, f"{name} {verb}".strip())


VERBS = dict(verbs(ROOT))
COMMANDS = dict(groups(ROOT)) | VERBS
every_verb = pytest.mark.parametrize("verb", VERBS)


def examples(command: Any) -> list[str]:
    return re.findall(r"^ *(commonwatt .*)$", command.epilog or "", re.MULTILINE)


def ended(words: str, capsys: pytest.CaptureFixture[str]) -> Ended:
    """The command tree, asked for help or wrongly."""
    with pytest.raises(SystemExit) as end:
        ROOT.main(words.split(), prog_name="commonwatt")
    told = capsys.readouterr()
    return Ended(int(end.value.code or 0), told.out, told.err)


@every_verb
def test_its_help_has_an_example_that_its_options_take(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = VERBS[verb]
    shown = ended(f"{verb} -h", capsys)
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert shown == ended(f"{verb} --help", capsys)
    assert examples(command), f"give `{verb}` an example in the EXAMPLES of its distribution"
    assert "commonwatt" in shown.stdout[shown.stdout.index("Examples:") :]
    for line in examples(command):
        words = shlex.split(line.removeprefix("commonwatt "))
        assert words[: len(verb.split())] == verb.split()
        if "--schema" not in words:  # which ends the command while its options are read
            context = command.make_context(f"commonwatt {verb}", words[len(verb.split()) :])
            assert not context.args


@pytest.mark.parametrize("name", COMMANDS)
def test_help_texts_begin_with_a_capital_letter_and_end_with_a_full_stop(name: str) -> None:
    command = COMMANDS[name]
    texts = [command.help, *(one.help for one in command.params)]
    assert [text for text in texts if not re.fullmatch(r"[A-Z].*\.", text.strip(), re.DOTALL)] == []


@every_verb
def test_wrong_use_is_one_line_and_exit_code_2(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = ended(f"{verb} --nonsense", capsys)
    assert (wrong.exit_code, wrong.stdout, wrong.stderr.count("\n")) == (2, "", 1)
    assert wrong.stderr.startswith(f"commonwatt {verb}: no such option: --nonsense")
    assert wrong.stderr.endswith(f"; `commonwatt {verb} -h` shows what it takes\n")


@every_verb
def test_what_verbs_share_is_named_alike(verb: str) -> None:
    options = [one for one in VERBS[verb].params if one.param_type_name == "option"]
    named = {name for one in options for name in one.opts}
    assert {"-v", "--verbose", "-q", "--quiet"} <= named
    assert not named & {"--output", "-o", "--network-file", "--dir", "--as-json", "--silent", "--debug"}
    for one in options:
        assert one.help, one.opts
        variables = [one.envvar] if isinstance(one.envvar, str) else one.envvar or []
        assert all(name.startswith(("COMMONWATT_", "FABRIC_")) for name in variables), variables
        if "--network" in one.opts:
            assert variables == ["COMMONWATT_NETWORK"]
        if "--json" in one.opts:
            assert one.is_flag


def test_the_help_lists_every_verb_under_one_heading() -> None:
    headed = [name for names in PANELS.values() for name in names]
    assert len(headed) == len(set(headed))
    assert list(ROOT.commands) == headed, "put the verb into PANELS of commonwatt_network.cli.main"
    shown = invoke(APP, ["-h"]).stdout
    places = [shown.index(f"─ {panel} ─") for panel in PANELS]
    assert places == sorted(places)


@pytest.mark.parametrize(
    "group", ["", *(name for name, one in ROOT.commands.items() if hasattr(one, "commands"))]
)
def test_a_group_says_what_it_has_and_refuses_what_it_has_not(
    group: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(f"{group} -h", capsys).exit_code == 0
    bare = ended(group, capsys)
    assert (bare.exit_code, bare.stderr) == (2, "")
    assert "Usage:" in bare.stdout
    wrong = ended(f"{group} nonsense", capsys)
    assert (wrong.exit_code, wrong.stdout, wrong.stderr.count("\n")) == (2, "", 1)
    assert "no such command 'nonsense'" in wrong.stderr


@pytest.mark.parametrize(
    ("words", "choices"),
    [
        ("network up", "embedded|native|compose|kubernetes"),
        ("network render", "compose|kubernetes"),
        ("consortium create", "all|majority|any"),
        ("simulate", "ex_post|forward"),
        ("simulate", "dynamic|static|none"),
        ("load", "readings|messages"),
        ("home new", "replay|mqtt|http|file|modbus"),
        ("community statement", "html|csv|json|text"),
        ("plugin new", "strategy|forecast|battery|meter|mechanism|traces"),
    ],
)
def test_choices_stand_in_the_help(
    words: str, choices: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    shown = re.sub(r"[│\s]+", " ", ended(f"{words} -h", capsys).stdout)
    assert choices in shown


def test_a_value_that_is_no_choice_is_told_with_the_choices() -> None:
    wrong = invoke(APP, ["network", "up", "--backend", "nowhere"])
    assert (wrong.exit_code, wrong.stderr.count("\n")) == (2, 1)
    for choice in ("embedded", "native", "compose", "kubernetes"):
        assert choice in wrong.stderr


def test_a_verb_with_a_typing_mistake_is_told_the_right_one() -> None:
    assert "Did you mean 'network'?" in invoke(APP, ["netwrk"]).stderr


def test_clear_says_that_it_deletes_nothing() -> None:
    assert "it deletes nothing" in " ".join(invoke(APP, ["clear", "-h"]).stdout.split())


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The program itself, whose output is no terminal."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COMMONWATT_")}
    command = [
        str(Path(sys.executable).parent / "commonwatt"),
        *(part for word in words for part in word.split()),
    ]
    return subprocess.run(command, env=environment | variables, capture_output=True, text=True, timeout=100)


def test_the_version_is_that_of_the_distributions(repository: Path) -> None:
    stated = re.search(r'^version = "(.*)"$', (repository / "pyproject.toml").read_text(), re.MULTILINE)
    assert stated is not None
    told = run("--version")
    assert (told.returncode, told.stdout, told.stderr) == (0, f"commonwatt {stated[1]}\n", "")


def test_no_colours_where_the_output_is_no_terminal() -> None:
    assert "\x1b[" not in run("doctor").stdout + run("explain -h").stdout


@pytest.mark.parametrize(("no_colour", "coloured"), [("", True), ("1", False)])
def test_no_color_takes_the_colours_from_a_terminal(no_colour: str, coloured: bool, tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    environment = {
        name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")
    }
    environment |= {"TERM": "xterm-256color", "COMMONWATT_DIRECTORY": str(tmp_path)}
    if no_colour:
        environment["NO_COLOR"] = no_colour
    leader, follower = pty.openpty()
    command = [str(Path(sys.executable).parent / "commonwatt"), "doctor"]
    with subprocess.Popen(command, env=environment, stdout=follower, stderr=follower) as process:
        os.close(follower)
        told = bytearray()
        while True:
            try:
                piece = os.read(leader, 65_536)
            except OSError:  # the terminal's other end is closed
                break
            if not piece:
                break
            told += piece
        process.wait(60)
    os.close(leader)
    assert b"\xe2\x9c\x93" in told  # a check mark
    assert bool(re.search(rb"\x1b\[(?:\d+;)*3[0-7]", told)) is coloured


@pytest.mark.parametrize(
    ("words", "members"),
    [
        ("doctor", {"findings"}),
        ("topology samples", {"samples"}),
        ("explain 11", {"codes"}),
        ("plugin list", {"parts", "skipped"}),
        ("traces layouts", {"layouts"}),
    ],
)
def test_json_has_the_members_that_the_page_lists(words: str, members: set[str], repository: Path) -> None:
    found = json.loads(invoke(APP, [*words.split(), "--json"]).stdout)
    assert found.keys() == members
    page = (repository / "docs" / "reference" / "json.md").read_text("utf-8")
    verb = words.removesuffix(" 11")
    row = next(line for line in page.splitlines() if line.startswith(f"| `{verb}` |"))
    assert set(re.findall(r"`([a-z_]+)`", row.split("|", 2)[2])) >= members


def test_the_page_lists_every_verb_that_prints_json(repository: Path) -> None:
    page = (repository / "docs" / "reference" / "json.md").read_text("utf-8")
    listed = set(re.findall(r"^\| `([a-z -]+)` \|", page, re.MULTILINE))
    printing = {
        verb for verb, command in VERBS.items() if any("--json" in one.opts for one in command.params)
    }
    assert listed == printing


def test_quiet_leaves_out_how_it_went(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMMONWATT_DIRECTORY", raising=False)
    assert (
        invoke(APP, ["experiment", "new", "one.yaml"]).stdout
        == "one.yaml: run it by `commonwatt experiment run one.yaml`\n"
    )
    assert invoke(APP, ["experiment", "new", "two.yaml", "-q"]).stdout == ""
    assert (tmp_path / "two.yaml").exists()
    assert invoke(APP, ["network", "down"]).stdout == "nothing was running\n"
    assert invoke(APP, ["network", "down", "--quiet"]).stdout == ""
    assert "MVCC" in invoke(APP, ["explain", "11", "-q"]).stdout, "a result stays"
    assert invoke(APP, ["network", "status", "-q"]).stderr != "", "an error stays"


def test_verbose_tells_where_an_error_came_from(tmp_path: Path) -> None:
    asked = ("network", "status", "--directory", str(tmp_path))
    plain = run(*asked)
    assert plain.stderr.count("\n") == 1
    told = run(*asked, "-v")
    assert told.returncode == 3
    assert "Traceback" in told.stderr
    assert told.stderr.endswith(plain.stderr)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [("commonwatt netw", "network"), ("commonwatt network st", "status"), ("commonwatt load --ra", "--rate")],
)
def test_bash_completes_verbs_and_options(line: str, wanted: str) -> None:
    script = run("--show-completion", "bash").stdout
    program = str(Path(sys.executable).parent)
    asked = f"""
        PATH={shlex.quote(program)}:$PATH
        {script}
        COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMP_LINE={shlex.quote(line)}
        _commonwatt_completion commonwatt
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    told = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, timeout=100)
    assert wanted in told.stdout.split(), told


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_completion(shell: str) -> None:
    script = run("--show-completion", shell)
    assert script.returncode == 0
    assert "_COMMONWATT_COMPLETE" in script.stdout
    if shutil.which(shell):
        checked = subprocess.run(
            [shell, "-n"], input=script.stdout, capture_output=True, text=True, timeout=60
        )
        assert (checked.returncode, checked.stderr) == (0, "")


def test_the_networks_examples_are_of_its_own_verbs() -> None:
    own = {verb for verb, one in VERBS.items() if one.callback.__module__.startswith("commonwatt_network.")}
    assert own == EXAMPLES.keys()
