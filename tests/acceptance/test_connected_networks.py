# SPDX-License-Identifier: Apache-2.0
"""`commonwatt connect` and every verb that takes `--network`, on a network that is taken for one that others made.

The network is the embedded one with the connection profile that it writes; `test_foreign_network.py` has one that is
foreign in truth.
"""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from commonwatt_network.cli.main import build_app
from commonwatt_network.trust.certificates import create_authority, issue_enrolment

from ..support.command_line import Ended, invoke
from .conftest import Shell

MISUSED, NO_NETWORK = 2, 3


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    return build_app()


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a network that runs; whoever connects to it has another one."""
    shell = Shell(tmp_path_factory.mktemp("theirs"))
    try:
        started = shell.up()
        assert started.returncode == 0, started.stderr
        yield shell.directory
    finally:
        shell.run("network", "reset")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of who connects, whose configuration folder is `configuration` in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("COMMONWATT_NETWORK", "COMMONWATT_DIRECTORY", "COMMONWATT_BACKEND", "COMMONWATT_HOMES"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def user(theirs: Path, name: str = "admin", organization: str = "newtown") -> list[str]:
    folder = theirs / "organizations" / organization / "users" / name
    return ["--identity", str(folder / "certificate.pem"), "--key", str(folder / "private_key.pem")]


def profile(theirs: Path, organization: str = "newtown") -> str:
    return str(theirs / "profiles" / f"{organization}.yaml")


def connect(app: typer.Typer, theirs: Path, *arguments: str) -> Ended:
    return invoke(app, ["connect", profile(theirs), *user(theirs), *arguments])


def refused(ended: Ended, code: int, *words: str) -> None:
    """One line that holds these words, and the exit code."""
    assert ended.exit_code == code, ended
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
    for word in words:
        assert word in ended.stderr


def test_a_network_is_used_by_its_name_as_one_of_the_kits_own(
    app: typer.Typer, theirs: Path, here: Path
) -> None:
    users = str(theirs / "organizations" / "newtown" / "users")
    ended = connect(app, theirs, "--name", "energy", "--users", users)
    assert ended.exit_code == 0, ended
    assert "channel newtown: GridMSP (1 peers), NewtownMSP (1 peers); chaincode market 1.0" in ended.stdout
    file = here / "configuration" / "commonwatt" / "networks" / "energy" / "network.json"
    assert str(file) in ended.stdout
    content = json.loads(file.read_text())
    assert content["identity"] == {"organization": "newtown", "user": "admin"}
    assert [peer["name"] for peer in content["organizations"]["grid"]["peers"]] == ["peer0.grid"]
    assert {"admin", "operator", "home001", "home002"} <= set(content["organizations"]["newtown"]["users"])
    assert content["organizations"]["grid"]["users"] == {}
    for described in content["organizations"]["newtown"]["users"].values():
        assert Path(described["private_key"]).is_relative_to(theirs), "keys stay where they are"
    assert "PRIVATE KEY" not in "".join(each.read_text() for each in file.parent.rglob("*") if each.is_file())

    status = invoke(app, ["network", "status", "--network", "energy"])
    assert status.exit_code == 0, status
    assert "connected network running" in status.stdout
    as_json = json.loads(invoke(app, ["network", "status", "--network", str(file), "--json"]).stdout)
    heights = as_json["channels"]["newtown"]["heights"]
    assert set(heights) == {"peer0.newtown", "peer0.grid"}
    assert min(heights.values()) > 2
    assert {node["kind"]: node["state"] for node in as_json["processes"]} == {
        "orderer": "running",
        "peer": "running",
    }

    evaluated = invoke(
        app, ["evaluate", "newtown", "market", "get_parameters", "{}", "--network", "energy", "--json"]
    )
    assert evaluated.exit_code == 0, evaluated
    assert json.loads(evaluated.stdout)["caller"] == "newtown/operator"

    verified = invoke(app, ["verify", "--network", "energy", "--json"])
    assert verified.exit_code == 0, verified
    assert json.loads(verified.stdout)["blocks"] == max(heights.values())
    loaded = invoke(
        app, ["load", "--network", "energy", "--duration", "1", "--rate", "constant:10", "--p95", "30"]
    )
    assert loaded.exit_code == 0, loaded
    assert json.loads(Path("out/load/summary.json").read_text())["run"]["backend"] == "connected"
    monitoring = invoke(app, ["network", "monitoring", "--network", "energy", "--out", "monitoring"])
    assert monitoring.exit_code == 0, monitoring
    assert "no operations address is known of" in monitoring.stdout


def test_without_a_name_it_is_the_network_of_this_folder(app: typer.Typer, theirs: Path, here: Path) -> None:
    operations = json.loads((theirs / "network.json").read_text())["orderers"][0]["operations_address"]
    assert (
        connect(app, theirs, "--operations", f"orderer0=127.0.0.1:{operations.rpartition(':')[2]}").exit_code
        == 0
    )
    assert (here / ".commonwatt" / "network.json").exists()
    assert "connected network running" in invoke(app, ["network", "status"]).stdout
    assert invoke(app, ["network", "monitoring", "--out", "monitoring"]).exit_code == 0
    scraped = yaml.safe_load(Path("monitoring/prometheus.yml").read_text())["scrape_configs"][0][
        "static_configs"
    ]
    assert [entry["targets"] for entry in scraped] == [[operations]]
    refused(invoke(app, ["network", "up"]), MISUSED, "network up is for networks that this kit made")
    assert sorted(path.name for path in (here / ".commonwatt").iterdir()) == ["network.json", "tls"]


OWN_STATE = (
    "network up",
    "network down",
    "network reset",
    "network revoke newtown home001",
    "network renew newtown home001",
    "network logs",
    "network plan",
    "network apply",
    "plan",
    "apply",
    "chaincode dev",
)


def test_what_needs_the_kits_own_state_says_so(
    app: typer.Typer, theirs: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert connect(app, theirs, "--name", "energy").exit_code == 0
    before = sorted(path for path in here.rglob("*"))
    for verb in OWN_STATE:
        refused(
            invoke(app, [*verb.split(), "--network", "energy"]),
            MISUSED,
            "is for networks that this kit made",
            "nothing was changed",
        )
    monkeypatch.setenv("COMMONWATT_NETWORK", "energy")
    for verb in OWN_STATE:
        refused(invoke(app, verb.split()), MISUSED, "is for networks that this kit made")
    assert sorted(path for path in here.rglob("*")) == before


def test_the_command_line_wins_over_the_environment(
    app: typer.Typer, theirs: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert connect(app, theirs, "--name", "energy").exit_code == 0
    monkeypatch.setenv("COMMONWATT_DIRECTORY", str(here / "nowhere"))
    assert "connected network" in invoke(app, ["network", "status", "--network", "energy"]).stdout
    monkeypatch.setenv("COMMONWATT_NETWORK", "energy")
    own = invoke(app, ["network", "status", "--directory", str(theirs)])
    assert "embedded network running" in own.stdout
    both = invoke(app, ["network", "status", "--directory", str(theirs), "--network", str(here)])
    refused(both, MISUSED, "--directory and --network each name a network")
    named = invoke(app, ["network", "status", "--network", str(theirs)])
    assert "embedded network running" in named.stdout
    refused(
        invoke(app, ["network", "status", "--network", "nobody"]),
        NO_NETWORK,
        "no network is called nobody",
        "energy",
    )


def test_a_name_that_is_taken_and_one_that_is_none(app: typer.Typer, theirs: Path, here: Path) -> None:
    assert connect(app, theirs, "--name", "energy").exit_code == 0
    refused(connect(app, theirs, "--name", "energy"), MISUSED, "the name energy is taken", "--replace")
    assert connect(app, theirs, "--name", "energy", "--replace").exit_code == 0
    for name in ("../energy", "", ".hidden", "a/b", "x" * 65):
        refused(connect(app, theirs, "--name", name), MISUSED, "--name")
    own = invoke(app, ["connect", profile(theirs), *user(theirs), "--directory", str(theirs)])
    refused(own, MISUSED, "holds a network that this kit made")


def test_a_key_that_others_may_read_is_warned_of(app: typer.Typer, theirs: Path, here: Path) -> None:
    files = user(theirs)
    key = here / "key.pem"
    shutil.copy(files[3], key)
    key.chmod(0o644)
    ended = invoke(app, ["connect", profile(theirs), *files[:3], str(key)])
    assert ended.exit_code == 0, ended
    assert f"warning: {key} can be read by other users" in ended.stdout
    assert stat.S_IMODE(key.stat().st_mode) == 0o644, "it is the person's"


def no_peers(content: dict[str, Any]) -> None:
    content["organizations"]["newtown"]["peers"] = []


def dead_peers(content: dict[str, Any]) -> None:
    for peer in content["peers"].values():
        peer["url"] = "grpcs://127.0.0.1:1"


def other_certificates(content: dict[str, Any]) -> None:
    other = create_authority("tlsca.newtown", "newtown").certificate_pem.decode()
    for peer in content["peers"].values():
        peer["tlsCACerts"] = {"pem": other}


def other_msp(content: dict[str, Any]) -> None:
    content["organizations"]["newtown"]["mspid"] = "StrangerMSP"


def no_msp(content: dict[str, Any]) -> None:
    del content["organizations"]["newtown"]["mspid"]


def nobodys(content: dict[str, Any]) -> None:
    content["client"] = {}


def without_certificate(content: dict[str, Any]) -> None:
    for peer in content["peers"].values():
        peer["tlsCACerts"] = {"path": "nowhere.pem"}


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (no_peers, MISUSED, ("organisation newtown lists no peer",)),
        (dead_peers, NO_NETWORK, ("no peer of NewtownMSP answers", "peer0.newtown", "nothing listens there")),
        (other_certificates, NO_NETWORK, ("not of the authority in the profile", "another network")),
        (other_msp, MISUSED, ("peer0.newtown", "refuses this identity", "StrangerMSP")),
        (no_msp, MISUSED, ("newtown has no mspid",)),
        (nobodys, MISUSED, ("--msp", "GridMSP, NewtownMSP")),
        (without_certificate, MISUSED, ("nowhere.pem", "No such file")),
    ],
)
def test_a_profile_that_cannot_be_right(
    app: typer.Typer,
    theirs: Path,
    here: Path,
    spoil: Callable[[dict[str, Any]], None],
    code: int,
    words: tuple[str, ...],
) -> None:
    content = yaml.safe_load(Path(profile(theirs)).read_text())
    spoil(content)
    (here / "profile.yaml").write_text(yaml.safe_dump(content))
    refused(invoke(app, ["connect", "profile.yaml", *user(theirs), "--name", "energy"]), code, *words)
    assert sorted(path.name for path in here.iterdir()) == ["profile.yaml"], "nothing was written"


def test_files_that_are_no_profile(app: typer.Typer, theirs: Path, here: Path) -> None:
    (here / "bad.yaml").write_text("peers: [\n  {")
    with (here / "huge.yaml").open("wb") as file:
        file.truncate(1 << 40)
    for name, words in (
        ("bad.yaml", "line"),
        ("huge.yaml", "larger than 4 MiB"),
        ("nowhere.yaml", "is no file"),
    ):
        refused(invoke(app, ["connect", name, *user(theirs)]), MISUSED, name, words)
    refused(connect(app, theirs, "--operations", "orderer0"), MISUSED, "NODE=HOST:PORT")
    refused(connect(app, theirs, "--operations", "nobody=h:1"), MISUSED, "no such node", "peer0.grid")
    refused(connect(app, theirs, "--msp", "NobodyMSP"), MISUSED, "no organisation has the MSP id NobodyMSP")
    assert not (here / ".commonwatt").exists()


def test_identities_that_are_not_the_organisations(app: typer.Typer, theirs: Path, here: Path) -> None:
    """Another organisation's, one of an authority that nobody knows, and a key of another certificate."""
    grid = user(theirs, organization="grid")
    refused(invoke(app, ["connect", profile(theirs), *grid]), MISUSED, "refuses this identity", "NewtownMSP")
    stranger = issue_enrolment(create_authority("ca.newtown", "newtown"), "admin", "admin", None, 30)
    (here / "cert.pem").write_bytes(stranger.certificate_pem)
    (here / "key.pem").write_bytes(stranger.key_pem)
    (here / "key.pem").chmod(0o600)
    named = ["--identity", "cert.pem", "--key", "key.pem"]
    refused(invoke(app, ["connect", profile(theirs), *named]), MISUSED, "refuses this identity")
    mixed = [*user(theirs)[:3], "key.pem"]
    refused(invoke(app, ["connect", profile(theirs), *mixed]), MISUSED, "key.pem is not the key of")


def test_deployment_needs_a_network_of_others_and_says_what_is_missing(
    app: typer.Typer, theirs: Path, here: Path
) -> None:
    refused(invoke(app, ["chaincode", "deploy", "market"]), NO_NETWORK, "there is no network")
    own = invoke(app, ["chaincode", "deploy", "market", "--directory", str(theirs), "--address", "h:1"])
    refused(own, MISUSED, "networks that others made", "commonwatt apply")
    assert connect(app, theirs).exit_code == 0
    deploy = ["chaincode", "deploy", "market"]
    refused(invoke(app, deploy), MISUSED, "--address HOST:PORT", "--package")
    refused(invoke(app, [*deploy, "--address", "nowhere"]), MISUSED, "is not host:port")
    refused(
        invoke(app, [*deploy, "--address", "h:1", "--channel", "glebe"]),
        MISUSED,
        "no channel glebe",
        "newtown",
    )
    refused(invoke(app, [*deploy, "--address", "h:1", "--peer", "peer9"]), MISUSED, "peer9", "peer0.newtown")
    refused(invoke(app, [*deploy, "--address", "h:1", "--as", "nobody"]), MISUSED, "no user nobody")
    for words, said in (
        (("--endorsement-policy", "OR("), "--endorsement-policy"),
        (("--collections", "nowhere.json"), "--collections: nowhere.json"),
        (("--version", "1 0"), "--version"),
    ):
        refused(invoke(app, [*deploy, "--address", "h:1", *words]), MISUSED, said)
    made = invoke(app, [*deploy, "--address", "cc.example.com:9999", "--package-only"])
    assert made.exit_code == 0, made
    assert "nothing was sent" in made.stdout
    assert "python -m commonwatt_chaincode" in made.stdout
    again = invoke(app, [*deploy, "--address", "cc.example.com:9999", "--package-only"])
    assert again.stdout == made.stdout


def test_a_damaged_network_file_is_said(app: typer.Typer, theirs: Path, here: Path) -> None:
    assert connect(app, theirs, "--name", "energy").exit_code == 0
    file = here / "configuration" / "commonwatt" / "networks" / "energy" / "network.json"
    content = json.loads(file.read_text())
    del content["identity"]
    file.write_text(json.dumps(content))
    refused(
        invoke(app, ["network", "status", "--network", "energy"]),
        MISUSED,
        "cannot be read",
        "commonwatt connect",
    )


def test_a_network_that_stopped_is_shown_as_silent(app: typer.Typer, theirs: Path, here: Path) -> None:
    """As it is when every node's port is closed."""
    assert connect(app, theirs, "--name", "energy").exit_code == 0
    file = here / "configuration" / "commonwatt" / "networks" / "energy" / "network.json"
    content = json.loads(file.read_text())
    for node in (
        *content["orderers"],
        *(peer for each in content["organizations"].values() for peer in each["peers"]),
    ):
        node["address"] = "127.0.0.1:1"
    file.write_text(json.dumps(content))
    status = invoke(app, ["network", "status", "--network", "energy", "--json"])
    assert status.exit_code == 0, status
    content = json.loads(status.stdout)
    assert content["state"] == "silent"
    assert {node["state"] for node in content["processes"]} == {"silent"}
    assert set(content["channels"]["newtown"]["heights"].values()) == {None}
    assert invoke(app, ["verify", "--network", "energy"]).exit_code == NO_NETWORK


@pytest.mark.long
def test_peers_that_demand_a_client_certificate_are_shown_the_profiles(
    app: typer.Typer, shell: Shell, here: Path
) -> None:
    topology = shell.topology(
        ("newtown:\n    homes: 2", "newtown:\n    client_authentication: true\n    homes: 2")
    )
    assert "client_authentication" in topology.read_text()
    assert shell.up(COMMONWATT_TOPOLOGY=str(topology), COMMONWATT_HOMES="").returncode == 0
    connected = connect(app, shell.directory, "--name", "energy")
    assert connected.exit_code == 0, connected
    status = json.loads(invoke(app, ["network", "status", "--network", "energy", "--json"]).stdout)
    assert status["state"] == "running"
    content = yaml.safe_load(Path(profile(shell.directory)).read_text())
    content["client"].pop("tlsCerts")
    (here / "profile.yaml").write_text(yaml.safe_dump(content))
    ended = invoke(app, ["connect", "profile.yaml", *user(shell.directory), "--name", "without"])
    refused(ended, NO_NETWORK, "no peer of NewtownMSP answers", "may demand a TLS client certificate")
