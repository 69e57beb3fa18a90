# SPDX-License-Identifier: Apache-2.0
"""Three organisations, each in a Compose project of its own as `org render` wrote it, at an address of its own.

    pytest -m long -s tests/acceptance/test_compose_consortium.py

They share one engine, which must be this machine's own, and nothing else: containers of different projects reach each
other only where the others' machines would, at the published ports. Root gives this machine the addresses meanwhile.
They begin with the version of Fabric that COMMONWATT_TEST_OLDER_FABRIC names, where the engine has its images.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from commonwatt_network.model.topology import default_topology
from commonwatt_network.programs.ports import choose_first_port

from tests.acceptance.engine import Project, leftovers, older, require_engine
from tests.acceptance.namespaces import ip
from tests.acceptance.test_plan_apply import LONGEST_PAUSE_S
from tests.acceptance.trading import CLIENT, Trading
from tests.support.organisations import CLOCK, PORTS, Member, found, wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
FOUNDERS = ("newtown", "glebe", "grid")
LATER = "ferry"
CHANNEL = "newtown"
BUYER, SELLER = "k3vq7m2xwa", "t5d2rj6xqe"
HOMES = {"newtown": BUYER, "glebe": SELLER}  # each its community's user `house`
HALF_HOUR = {"interval_start": CLOCK - 1800, "interval_end": CLOCK}


@dataclass
class Containers(Member):
    """An organisation whose nodes are the containers of one Compose project."""

    address: str = ""

    @property
    def project(self) -> Project:
        return Project(self.folder / "containers")

    @property
    def block(self) -> str:
        """The first block of the channel."""
        return str(self.exchange / f"{CHANNEL}.block")

    def start(self) -> None:
        """Render what is to run now, and wait until it answers."""
        self.run("org", "render", "--backend", "compose", "--out", str(self.project.folder))
        self.project.compose("up", "--detach", "--wait")

    def upgrade(self, images: dict[str, str]) -> None:
        """Other images, one node after the other, as docs/organisations.md has it."""
        self.description["images"] = images
        self.init()
        self.run("org", "render", "--backend", "compose", "--out", str(self.project.folder))
        for node in (f"orderer0.{self.name}", f"peer0.{self.name}"):
            self.project.compose("up", "--detach", "--wait", node)
            self.trades()

    def client(self, verb: str, *arguments: str) -> list[str]:
        """The command of the test's client, as this organisation's operator."""
        file = str(self.directory / "network.json")
        return [sys.executable, str(CLIENT), verb, file, self.name, CHANNEL, *arguments]

    def has(self, transactions: list[str]) -> bool:
        """Whether its own peer has all of these as valid."""
        words = self.client("find")
        answer = subprocess.run(
            words, input=" ".join(transactions), capture_output=True, text=True, timeout=120
        )
        return answer.stdout.strip() == str(len(transactions))

    def settle(self) -> None:
        """`organization.yaml`: everything at the organisation's own address, with an older Fabric."""
        role = "grid" if self.name == "grid" else "operator"
        users: dict[str, Any] = {"operator": {"role": role}}
        if self.name in HOMES:
            users["house"] = {"role": "home", "attributes": {"home.id": HOMES[self.name]}}
        images = {kind: older(image) for kind, image in fabric_images().items()}
        self.describe(self.address, listen=self.address, users=users, images=images)

    def burn(self) -> None:
        """The machine is lost, with all that ran on it and all that lay there."""
        self.project.compose("kill")
        self.project.compose("rm", "--force")
        shutil.rmtree(self.folder)


def fabric_images() -> dict[str, str]:
    """The images of Fabric's programs that the kit names."""
    images = default_topology(homes=1).images
    return {"peer": images.peer, "orderer": images.orderer}


@contextlib.contextmanager
def addresses(names: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """An address of this machine for each, on a switch with nothing plugged in."""
    link = f"cw{os.getpid()}"
    try:
        ip("link", "add", link, "type", "bridge")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this machine gives nobody more addresses: {error}")
    try:
        ip("link", "set", link, "up")
        given = {name: f"10.9.7.{number}" for number, name in enumerate(names, start=1)}
        for address in given.values():
            ip("address", "add", f"{address}/32", "dev", link)
        yield given
    finally:
        ip("link", "delete", link)


@pytest.fixture(scope="module")
def everyone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Containers]]:
    """The founders trade on one channel; a fourth organisation has a folder and nothing in it."""
    require_engine()
    folder = tmp_path_factory.mktemp("projects")
    (folder / "exchange").mkdir()
    names = (*FOUNDERS, LATER)
    room = 3 * len(PORTS)
    first = choose_first_port(room * len(names), folder)
    with addresses(names) as given:
        members = {
            name: Containers(name, folder / name, folder / "exchange", first + n * room, address=given[name])
            for n, name in enumerate(names)
        }
        try:
            for member in members.values():
                member.settle()
            began = time.monotonic()
            founders = {name: members[name] for name in FOUNDERS}
            found(founders)
            first_trade(founders)
            print(f"\nfrom nothing to the first trade: {time.monotonic() - began:.1f} s, {load()}")
            yield members
        finally:
            for member in members.values():
                if member.project.folder.exists():
                    member.project.compose("down", "--remove-orphans")


def first_trade(members: Mapping[str, Member]) -> None:
    """Newtown's home buys one kWh of glebe's."""
    newtown, glebe = members["newtown"], members["glebe"]
    newtown.submit("register_home", {"home": BUYER, "home_class": "consumer"})
    newtown.submit("register_home", {"home": SELLER, "home_class": "prosumer", "mspid": "GlebeMSP"})
    surplus = {"home": SELLER, **HALF_HOUR, "use_wh": 200, "generation_wh": 2200}
    glebe.submit("report_reading", surplus, "house")
    need = {"home": BUYER, **HALF_HOUR, "use_wh": 1000, "generation_wh": 0, "bid": True}
    newtown.submit("settle_interval", need, "house")
    market_round = f"{CLOCK - 1800:011}-{BUYER}"
    offer = {"round": market_round, "home": SELLER, "energy_wh": 1000, "price_uaud_per_kwh": 150_000}
    glebe.submit("submit_offer", offer, "house")
    newtown.submit("close_round", {"round": market_round, "at": CLOCK + 60})


def copy(folder: Path, into: Path) -> None:
    """With owners and modes: the container's user must be able to write there."""
    subprocess.run(["cp", "--archive", folder, into], check=True, timeout=60)


def load() -> str:
    return f"load {os.getloadavg()[0]:.1f}"


def agree_on_ledger(*members: Member) -> None:
    """Every one of them can have a transaction committed, and has the trade on its own peer."""
    for member in members:
        member.trades()
        assert member.traded() == {"amount_naud": 150_000_000, "energy_wh": 1000, "fills": 1}


def test_three_projects_trade_and_share_nothing_but_addresses(everyone: dict[str, Containers]) -> None:
    founders = [everyone[name] for name in FOUNDERS]
    agree_on_ledger(*founders)
    networks = set()
    for member in founders:
        for container in member.project.containers():
            networks |= container["NetworkSettings"]["Networks"].keys()
        for node, ports in member.project.published().items():
            assert all(port.startswith((f"{member.address}:", "127.0.0.1:")) for port in ports), node
        assert "waiting" not in member.run("org", "status")
    assert len(networks) == len(founders)


def test_a_lost_machine_comes_back_from_its_backup(everyone: dict[str, Containers]) -> None:
    newtown, glebe, grid = (everyone[name] for name in FOUNDERS)
    safe = newtown.exchange.parent / "safe"
    safe.mkdir()
    (safe / "passphrase.txt").write_text("correct horse battery staple\n")
    secret = ("--passphrase-file", str(safe / "passphrase.txt"))
    ledger = glebe.project.folder / "ledgers" / "peer0.glebe"
    glebe.project.compose("stop")
    glebe.run("org", "backup", str(safe / "glebe.backup"), *secret)
    copy(ledger, safe)
    glebe.start()
    newtown.trades()  # which the backup does not know

    glebe.burn()
    newtown.trades()
    grid.trades()
    assert "waiting for the orderer of GlebeMSP" in newtown.run("org", "status")

    began = time.monotonic()
    glebe.folder.mkdir()
    glebe.run("org", "restore", str(safe / "glebe.backup"), *secret)
    ledger.parent.mkdir(parents=True)
    copy(safe / ledger.name, ledger.parent)
    glebe.start()
    assert {container["Config"]["Labels"]["commonwatt.node"] for container in glebe.project.containers()} == {
        "peer0.glebe", "market.glebe",
    }, "the orderer waits"  # fmt: skip
    glebe.run("org", "export", str(glebe.exchange))
    for member in (newtown, grid):
        member.run("consortium", "readmit", "glebe", "--exchange", str(glebe.exchange))
    newest = str(glebe.exchange / f"glebe.{CHANNEL}.block")
    said = glebe.run("org", "join", glebe.block, "--newest", newest, code=1)
    assert "the channels have readmitted orderer0.glebe" in said
    glebe.start()
    glebe.run("org", "join", glebe.block, "--newest", newest)
    wait_until(lambda: "waiting" not in newtown.run("org", "status"), 120)
    agree_on_ledger(newtown, glebe, grid)
    print(f"\na lost machine is back: {time.monotonic() - began:.1f} s, {load()}")

    grid.project.compose("stop", "orderer0.grid")  # now glebe's vote counts
    newtown.trades()
    grid.project.compose("start", "orderer0.grid")


def test_a_member_joins_from_a_project_of_its_own(everyone: dict[str, Containers]) -> None:
    newtown, glebe, grid, ferry = everyone.values()
    began = time.monotonic()
    ferry.init()
    ferry.run("org", "export", str(ferry.exchange))
    ferry.start()
    update, newest = str(ferry.exchange / "ferry.update"), str(ferry.exchange / "newest.block")
    newtown.run("consortium", "propose", CHANNEL, str(ferry.bundle), "--out", update)
    for member in (newtown, grid):
        member.run("consortium", "sign", update)
    newtown.run("consortium", "submit", update, "--out", newest)
    ferry.run("org", "join", ferry.block, "--newest", newest)
    ferry.run("org", "install")
    ferry.run("org", "approve", CHANNEL, "--wait", "120")
    agree_on_ledger(newtown, glebe, grid, ferry)
    print(f"\na member came: {time.monotonic() - began:.1f} s, {load()}")


def test_certificates_are_renewed_and_all_trade_on(everyone: dict[str, Containers]) -> None:
    newtown = everyone["newtown"]
    began = time.monotonic()
    said = newtown.run("org", "renew", "--before-days", "365")
    assert "orderer0.newtown: renewed" in said
    assert "repeat `commonwatt org render`" in said
    newtown.start()
    newtown.project.compose("restart")
    newtown.project.compose("up", "--detach", "--wait")
    newtown.run("org", "install")
    newtown.run("org", "approve", CHANNEL, "--wait", "120")
    newtown.run("org", "export", str(newtown.exchange))
    words = ("consortium", "agree", "newtown", "--exchange", str(newtown.exchange))
    assert "certificate" in [member.run(*words) for member in everyone.values()][-1]
    agree_on_ledger(*everyone.values())
    print(f"\ncertificates renewed: {time.monotonic() - began:.1f} s, {load()}")


def test_each_organisation_takes_fabrics_next_version_while_all_trade(
    everyone: dict[str, Containers],
) -> None:
    newtown = everyone["newtown"]
    members = [member for member in everyone.values() if member.project.folder.exists()]
    images = fabric_images()
    with Trading(newtown.exchange, partial(newtown.client, "trade"), CLOCK + 1_000_000) as trading:
        trading.wait_for_more(3)
        began = time.monotonic()
        for member in members:
            member.upgrade(images)
        took_s = time.monotonic() - began
        trading.wait_for_more(3)
        transactions, pause_s = trading.end()
    figures = f"{took_s:.1f} s, pause {pause_s:.1f} s, {len(transactions)} transactions, {load()}"
    print(f"\n{len(members)} organisations took Fabric's next version: {figures}")
    for member in members:
        ran = {container["Config"]["Image"] for container in member.project.containers()}
        assert set(images.values()) < ran
        wait_until(partial(member.has, transactions), 60)
    assert pause_s <= LONGEST_PAUSE_S


def test_nothing_is_left_of_a_project_that_is_taken_down(everyone: dict[str, Containers]) -> None:
    ferry = everyone[LATER]
    [name] = {each["Config"]["Labels"]["com.docker.compose.project"] for each in ferry.project.containers()}
    ferry.project.compose("down")
    assert leftovers(name) == ""
    everyone["newtown"].trades()
