# SPDX-License-Identifier: Apache-2.0
"""Every verb ends with the codes of docs/exit-codes.md, whatever the network is like: the one table of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from commonwatt_client.admin import compute_update, set_batch
from commonwatt_network.cli.main import build_app
from commonwatt_network.consortium.host import open_host
from commonwatt_network.consortium.membership import own_config
from commonwatt_network.model.layout import write_atomically

from ..support.command_line import Ended, invoke
from .conftest import Shell

DONE, FAILED, MISUSED, NO_NETWORK = 0, 1, 2, 3


@dataclass(frozen=True)
class Verb:
    """A verb with right arguments, and its exit code in a folder without a network and beside a stopped one.

    For a verb of an organisation or a consortium: without that organisation, and beside one that is stopped. Words
    instead of a code say why the verb is not run there.
    """

    arguments: str
    without: int | str
    stopped: int | str


MAKES, STARTS, DELETES = "makes one", "starts it", "deletes it"
ELSEWHERE = "runs for long or reads other machines, and asks for no network"

TABLE: dict[str, Verb] = {
    "network up": Verb("--homes 2", MAKES, STARTS),
    "network down": Verb("", DONE, DONE),
    "network reset": Verb("", DONE, DELETES),
    "network render": Verb("--backend compose --out rendered", MAKES, MISUSED),  # it is another backend's
    "network status": Verb("", NO_NETWORK, DONE),
    "network revoke": Verb("newtown home001", NO_NETWORK, NO_NETWORK),
    "network renew": Verb("newtown home001", NO_NETWORK, NO_NETWORK),
    "network logs": Verb("", NO_NETWORK, DONE),
    "network trust": Verb("newtown authorities.pem", NO_NETWORK, NO_NETWORK),
    "network monitoring": Verb("--out monitoring", NO_NETWORK, DONE),
    "network samples-tree": Verb("samples", NO_NETWORK, DONE),
    "network plan": Verb("", NO_NETWORK, DONE),
    "network apply": Verb("", NO_NETWORK, DONE),  # nothing is to be done, so nothing is started
    "plan": Verb("", NO_NETWORK, DONE),
    "apply": Verb("", NO_NETWORK, DONE),
    "topology check": Verb("default", DONE, DONE),
    "topology samples": Verb("", DONE, DONE),
    "topology schema": Verb("", DONE, DONE),
    "topology show": Verb("", NO_NETWORK, DONE),
    "connect": Verb("nowhere.yaml --identity cert.pem --key key.pem", MISUSED, MISUSED),  # no such file
    "chaincode deploy": Verb("market --address 127.0.0.1:9999", NO_NETWORK, MISUSED),  # it is the kit's own
    "watch": Verb("--port 0", NO_NETWORK, "goes on until Ctrl-C, and shows the network when it is back"),
    "submit": Verb("newtown market get_parameters {}", NO_NETWORK, NO_NETWORK),
    "evaluate": Verb("newtown market get_parameters {}", NO_NETWORK, NO_NETWORK),
    "chaincode new": Verb("assets", DONE, DONE),
    "chaincode dev": Verb("", MISUSED, MISUSED),  # there is no topology.yaml
    "doctor": Verb("", "says what this machine lacks", "says what this machine lacks"),
    "fabric": Verb("", ELSEWHERE, ELSEWHERE),
    "explain": Verb("MVCC_READ_CONFLICT", DONE, DONE),
    "org init": Verb("glebe.yaml --directory glebe", MAKES, DONE),
    "org export": Verb("exported.json", NO_NETWORK, DONE),
    "org start": Verb("", NO_NETWORK, STARTS),
    "org stop": Verb("", NO_NETWORK, DONE),
    "org join": Verb("newtown.block", NO_NETWORK, NO_NETWORK),
    "org install": Verb("", NO_NETWORK, NO_NETWORK),
    "org approve": Verb("newtown", NO_NETWORK, NO_NETWORK),
    "org submit": Verb("newtown get_parameters", NO_NETWORK, NO_NETWORK),
    "org evaluate": Verb("newtown get_parameters", NO_NETWORK, NO_NETWORK),
    "org status": Verb("", NO_NETWORK, DONE),
    "org change": Verb("newtown.yaml", NO_NETWORK, DONE),
    "org announce": Verb("", NO_NETWORK, NO_NETWORK),
    "org renew": Verb("--before-days 0", NO_NETWORK, DONE),
    "org upgrade": Verb("--wait 0", NO_NETWORK, NO_NETWORK),
    "org request": Verb("--out requests", NO_NETWORK, DONE),
    "org certify": Verb("requests", NO_NETWORK, MISUSED),  # requests are no certificates
    "org enrol": Verb(
        "enrolment https://127.0.0.1:1 --secret-file passphrase --out certs", NO_NETWORK, FAILED
    ),
    "org authorities": Verb("--drop-former", NO_NETWORK, NO_NETWORK),
    "org revoke": Verb("operator", NO_NETWORK, NO_NETWORK),
    "org units": Verb("--out units --user daemon", NO_NETWORK, MISUSED),  # units have a /tmp of their own
    "org render": Verb(
        "--backend compose --out rendered", NO_NETWORK, DONE
    ),  # from now on containers run the nodes
    "org backup": Verb("newtown.backup --passphrase-file passphrase", NO_NETWORK, DONE),
    "org restore": Verb("nowhere.backup --passphrase-file passphrase", MISUSED, MISUSED),  # no such file
    "consortium create": Verb("newtown newtown.json --out made.block", DONE, DONE),
    "consortium show": Verb("newtown.block", DONE, DONE),
    "consortium propose": Verb("newtown glebe.json --out update.bin", NO_NETWORK, NO_NETWORK),
    "consortium sign": Verb("channel.update", NO_NETWORK, NO_NETWORK),
    "consortium submit": Verb("channel.update --out new.block", NO_NETWORK, NO_NETWORK),
    "consortium agree": Verb("newtown --exchange .", NO_NETWORK, NO_NETWORK),
    "consortium readmit": Verb("newtown --exchange .", NO_NETWORK, NO_NETWORK),
    "verify": Verb("", NO_NETWORK, NO_NETWORK),
    "clear": Verb("round.json", DONE, DONE),
    "settle": Verb("period.json", DONE, DONE),
    "bill": Verb("day.json", DONE, DONE),
    "prices": Verb("price.json", DONE, DONE),
    "community new": Verb("community.yaml", NO_NETWORK, NO_NETWORK),
    "community confirm": Verb("community.yaml --grid operator@grid", NO_NETWORK, NO_NETWORK),
    "community status": Verb("community.yaml", NO_NETWORK, NO_NETWORK),
    # Without a network it was not founded; before one stopped, `community new` made its folder.
    "community readings": Verb("readings.csv --community community.yaml", MISUSED, NO_NETWORK),
    "community schema": Verb("", DONE, DONE),
    "homes add": Verb("newcomers.csv --community community.yaml", MISUSED, NO_NETWORK),
    "operate": Verb("community.yaml", NO_NETWORK, NO_NETWORK),
    "exchange operate": Verb("exchange.yaml", NO_NETWORK, MISUSED),  # the network has no exchange
    "home new": Verb("--user home001", NO_NETWORK, NO_NETWORK),
    "home run": Verb("", MISUSED, MISUSED),  # there is no home.yaml
    "home schema": Verb("", DONE, DONE),
    "serve": Verb("", NO_NETWORK, MISUSED),  # its market has no carriers
    "service backup": Verb("copy.db", MISUSED, MISUSED),  # no service was started here
    "service invite-operator": Verb("ada", DONE, DONE),
    "service set-key": Verb("nowhere.jws --user operator@newtown", MISUSED, MISUSED),  # no such file
    "community statement": Verb("home001 --month 2026-06", NO_NETWORK, NO_NETWORK),
    "simulate": Verb("", NO_NETWORK, NO_NETWORK),
    "live": Verb("", NO_NETWORK, MISUSED),  # the default network has another market
    "plugin list": Verb("", DONE, DONE),
    "plugin new": Verb("forecast tide", DONE, DONE),
    "traces check": Verb("homes.csv", DONE, DONE),
    "traces layouts": Verb("", DONE, DONE),
    "compare": Verb("results results", DONE, DONE),
    "experiment new": Verb("", DONE, DONE),
    "experiment run": Verb("two_homes.yaml --jobs 1", DONE, DONE),
    "experiment schema": Verb("", DONE, DONE),
    "paper": Verb("", ELSEWHERE, ELSEWHERE),
    "load": Verb("--duration 1", NO_NETWORK, NO_NETWORK),
    "load-max": Verb("--duration 1", NO_NETWORK, NO_NETWORK),
    "caliper": Verb("", NO_NETWORK, NO_NETWORK),
}
COMMUNITY = """
name: newtown
channel: newtown
organization: newtown
utc_offset_min: 600
tariff:
  schedules:
    - days: {weekdays: [0, 1, 2, 3, 4, 5, 6], holidays: true}
      bands: [{name: all day, from_min: 0, to_min: 1440, tou: 300000, feed_in: 60000}]
"""
EXCHANGE = """
channel: exchange
grid: {organization: grid, user: operator}
communities: [newtown, enmore]
link: {limit_wh: 50000, fee: 10000}
"""
ON_AN_ORGANISATION = ("org ", "consortium ")

# Configuration that cannot be right, beyond an option that no verb has.
WRONG_USE = (
    "nonsense",
    "network up --topology nowhere.yaml",
    "network up --backend nowhere",
    "network render --backend native --out rendered",
    "network apply nowhere.yaml",
    "network trust newtown nowhere.pem",
    "topology check nowhere.yaml",
    "topology samples nowhere",
    "fabric --archive nowhere.tar.gz --sha256 0",
    "network logs --lines -1",
    "submit newtown market get --transient nonsense",
    "submit newtown market get --transient a=@nowhere",
    "evaluate newtown market get --collection shared --endorsing-organizations grid",
    "chaincode new Assets",
    "chaincode new json",
    "chaincode dev",
    "chaincode dev --topology nowhere.yaml",
    "chaincode dev --topology default",
    "clear nowhere.json",
    "settle nowhere.json",
    "bill nowhere.json",
    "prices nowhere.json",
    "community statement home001 --month June",
    "verify --blocks nowhere",
    "verify --receipts nowhere",
    "load --duration nan",
    "load --rate nan",
    "paper --seeds 0",
    "explain NOTHING_LIKE_IT",
    "simulate --in-process --traces nowhere.csv",
    "simulate --in-process --zone Europe/London",
    "traces check nowhere.csv",
    "traces check homes.csv --layout nowhere",
    "compare nowhere nowhere",
    "experiment run nowhere.yaml",
    "experiment run homes.csv",
    "experiment new nowhere/experiment.yaml",
    "org init nowhere.yaml",
    "org restore nowhere.backup --passphrase-file nowhere",
    "consortium create newtown nowhere.json --out made.block",
    "consortium show nowhere.block",
    "consortium readmit glebe --exchange nowhere",
    "community new nowhere.yaml",
    "community confirm nowhere",
    "community readings nowhere.csv",
    "homes add nowhere.csv",
    "operate nowhere",
    "home new",
    "home new --bundle nowhere.json",
    "home run nowhere.yaml",
)

# Verbs that run long enough to lose the network on the way; `watch` and `home run` wait for it to come back instead.
LOSING = {
    "simulate": "--days 30",
    "load": "--duration 120 --rate constant:5",
    "load-max": "--duration 120",
}
# Verbs with a threshold, and one that no machine keeps.
MISSING = {
    "load": "--duration 1 --rate constant:5 --p95 0.0001",
    "load-max": "--duration 1 --p95 0.0001",
}


def verbs(group: typer.core.TyperGroup, before: str = "") -> Iterator[str]:
    """The names of all verbs that the command lists, and its groups."""
    for name, command in group.commands.items():
        if isinstance(command, typer.core.TyperGroup):
            yield from verbs(command, f"{before}{name} ")
        else:
            yield f"{before}{name}"


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    return build_app()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, where the network would be."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "COMMONWATT_BACKEND",
        "COMMONWATT_NETWORK",
        "COMMONWATT_TOPOLOGY",
        "COMMONWATT_COMMUNITIES",
        "COMMONWATT_HOMES",
        "COMMONWATT_DIRECTORY",
    ):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def ended(app: typer.Typer, words: str) -> Ended:
    """A verb, run in this process by the table of errors and codes that every script applies."""
    return invoke(app, words.split())


def place_files(app: typer.Typer, folder: Path, repository: Path) -> None:
    """What right arguments name: cases, a passphrase, and a channel of the organisation newtown."""
    vectors = json.loads((repository / "tests" / "vectors" / "market_vectors.json").read_text())
    (folder / "round.json").write_text(json.dumps(vectors["rounds"][0]))
    (folder / "price.json").write_text(json.dumps(vectors["prices"][0]))
    forward = json.loads((repository / "tests" / "vectors" / "forward_vectors.json").read_text())
    (folder / "period.json").write_text(json.dumps(forward["cases"][0]))
    day = {"market": "forward", "home": "home001", "day": 0, "periods": []}
    (folder / "day.json").write_text(json.dumps(day))
    (folder / "homes.csv").write_text("home,time,use_kwh\na,2024-01-15T00:00,1\na,2024-01-15T00:30,1\n")
    (folder / "two_homes.yaml").write_text("name: two\nhomes: 2\nshare_percent: 0\n")
    (folder / "community.yaml").write_text(COMMUNITY)
    (folder / "exchange.yaml").write_text(EXCHANGE)
    (folder / "newcomers.csv").write_text("class\nconsumer\n")
    (folder / "readings.csv").write_text("home,time,minutes,import_wh,export_wh\n")
    (folder / "passphrase").write_text("a passphrase that is long")
    assert not ended(app, "simulate --in-process --homes 2 --no-figures --out results").exit_code
    for name in ("newtown", "glebe"):
        node = f"{{host: {name}.invalid}}"
        users = "{operator: {role: operator}}"
        described = f"{{name: {name}, orderers: [{node}], peers: [{node}], users: {users}}}"
        (folder / f"{name}.yaml").write_text(described)
        assert not ended(app, f"org init {name}.yaml --directory org-{name}").exit_code
        assert not ended(app, f"org export {name}.json --directory org-{name}").exit_code
    assert not ended(app, "consortium create newtown newtown.json --out newtown.block").exit_code
    host = open_host(folder / "org-newtown")
    authority = host.layout.organization("newtown") / "ca" / "ca.crt"
    (folder / "authorities.pem").write_bytes(authority.read_bytes())
    write_atomically(host.layout.genesis_block("newtown"), (folder / "newtown.block").read_bytes())
    config = own_config(host, "newtown")
    (folder / "channel.update").write_bytes(compute_update(config, set_batch(config, timeout_s=1.0)))


def test_the_table_has_every_verb(app: typer.Typer) -> None:
    listed = set(verbs(typer.main.get_group(app)))
    assert set(TABLE) == listed
    assert set(LOSING) | set(MISSING) <= listed


def test_every_verb_refuses_an_option_that_it_has_not(app: typer.Typer, folder: Path) -> None:
    found = {
        name: ended(app, f"{name} {verb.arguments} --nonsense").exit_code for name, verb in TABLE.items()
    }
    assert found == dict.fromkeys(TABLE, MISUSED)
    assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("folder")
def test_what_cannot_be_right_is_wrong_use(app: typer.Typer) -> None:
    assert {words: ended(app, words).exit_code for words in WRONG_USE} == dict.fromkeys(WRONG_USE, MISUSED)


def test_every_verb_without_a_network(app: typer.Typer, folder: Path, repository: Path) -> None:
    place_files(app, folder, repository)
    wanted = {name: verb.without for name, verb in TABLE.items() if isinstance(verb.without, int)}
    results = {name: ended(app, f"{name} {TABLE[name].arguments}") for name in wanted}
    assert {name: result.exit_code for name, result in results.items()} == wanted, results
    for name, result in results.items():
        if result.exit_code == NO_NETWORK:
            made_by = "commonwatt org init" if name.startswith(ON_AN_ORGANISATION) else "make network-up"
            assert made_by in result.stderr, name
            assert len(result.stderr.strip().splitlines()) == 1, result.stderr


def test_every_verb_of_a_stopped_organisation(
    app: typer.Typer, folder: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place_files(app, folder, repository)
    monkeypatch.setenv("COMMONWATT_DIRECTORY", str(folder / "org-newtown"))
    wanted = {
        name: verb.stopped
        for name, verb in TABLE.items()
        if name.startswith(ON_AN_ORGANISATION) and isinstance(verb.stopped, int)
    }
    results = {name: ended(app, f"{name} {TABLE[name].arguments}") for name in wanted}
    assert {name: result.exit_code for name, result in results.items()} == wanted, results


@pytest.mark.timeout(600)
@pytest.mark.long
def test_thresholds_missed_a_network_lost_and_one_stopped(
    app: typer.Typer, shell: Shell, folder: Path, repository: Path
) -> None:
    assert shell.up().returncode == 0
    for name, arguments in MISSING.items():
        missed = shell.run(*name.split(), *arguments.split())
        assert (missed.returncode, "Traceback" in missed.stderr) == (FAILED, False), missed.stderr

    running = {name: begin(shell, f"{name} {arguments}") for name, arguments in LOSING.items()}
    for name, process in running.items():
        wait_until_it_trades(shell, name, process)
    # Contracts last: a peer that still stood would tell the verbs that a contract failed, not that the network is gone.
    found = sorted(shell.processes().items(), key=lambda program: program[0].startswith("market."))
    for process in [one for _, group in found for one in group]:
        os.kill(process.pid, signal.SIGKILL)
    for name, begun in running.items():
        _, told = begun.communicate(timeout=90)
        assert begun.returncode == NO_NETWORK, f"{name}: {told}"
        assert "make network-up" in told, name

    assert shell.run("network", "down").returncode == 0
    place_files(app, folder, repository)
    wanted = {
        name: verb.stopped
        for name, verb in TABLE.items()
        if not name.startswith(ON_AN_ORGANISATION) and isinstance(verb.stopped, int)
    }
    results = {name: ended(app, f"{name} {TABLE[name].arguments}") for name in wanted}
    assert {name: result.exit_code for name, result in results.items()} == wanted, results
    assert ended(app, "network reset").exit_code == DONE


def begin(shell: Shell, words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [shell.command, *words.split()],
        cwd=shell.folder,
        env=shell.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until_it_trades(shell: Shell, name: str, process: subprocess.Popen[str]) -> None:
    """The verb has made the folder of its report by then."""
    folder = shell.folder / "out" / name
    while process.poll() is None and not (folder.exists() and any(folder.iterdir())):
        time.sleep(0.1)
