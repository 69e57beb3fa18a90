# SPDX-License-Identifier: Apache-2.0
"""An organisation's host that systemd runs: its units as written, killed, rebooted, renewed by the timer.

Another organisation, on a host without systemd, trades with it all the while: each transaction has both endorsements.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.fabric import require_backend
from tests.support.organisations import Member, found, wait_until

from .namespaces import Internet
from .systemd_machine import Machine, NoMachineError

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]
BACK_S = 60
TIMER = "commonwatt-newtown-renew"


@dataclass
class Served(Member):
    """The organisation whose nodes are units."""

    machine: Machine = field(kw_only=True)

    def settle(self) -> None:
        """Run its commands on the machine as it is up now."""
        self.inside = self.machine.command(user=self.machine.user)

    def write(self) -> Path:
        file = super().write()
        os.chown(self.folder, *_owner(self.machine))
        return file

    def start(self) -> None:
        """As the page says: write the units, install, enable."""
        self.run("org", "units", "--out", str(self.folder / "units"))
        self.machine.run("sh", "-c", f"cp {self.folder}/units/* /etc/systemd/system/")
        self.machine.run("systemctl", "daemon-reload")
        self.machine.run(
            "systemctl", "enable", "--now", "commonwatt-newtown.target", *self.units, f"{TIMER}.timer"
        )
        self.wait()

    @property
    def ports(self) -> dict[str, int]:
        """Unit of a node -> the port that it binds."""
        host = self.host
        bound = {node.name: node.bound_port for node in host.fabric_nodes}
        bound |= {server.name: server.port for server in host.chaincode_servers}
        return {f"commonwatt-newtown-{name}.service": port for name, port in bound.items()}

    @property
    def units(self) -> list[str]:
        """The services of its nodes."""
        return list(self.ports)

    def wait(self) -> None:
        """Until all its nodes run, and its orderer and peers answer."""
        wait_until(lambda: all(self.pids().values()), BACK_S)
        deadline = time.monotonic() + BACK_S
        absent = ("stopped", "does not answer", "no quorum")
        while any(words in (said := self.run("org", "status")) for words in absent):
            assert time.monotonic() < deadline, said
            time.sleep(0.5)

    def pids(self) -> dict[str, int]:
        """Unit -> its main process; 0 while it has none."""
        return {unit: int(self.machine.show(unit, "MainPID")) for unit in self.units}


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Served, Member]]:
    require_backend("native")
    internet, names = Internet(), {}
    for number, name in enumerate(("newtown", "grid"), start=1):
        names |= {f"{kind}.{name}.example": f"10.9.7.{number}" for kind in ("orderer", "peer")}
    machine = Machine("newtown", f"{internet.prefix}newtown")
    try:
        try:
            internet.open()
            for number, name in enumerate(("newtown", "grid"), start=1):
                internet.add_host(name, f"10.9.7.{number}")
            for name, address in names.items():
                internet.call(name, address)
            machine.open(names)
            machine.boot()
        except (OSError, subprocess.CalledProcessError, NoMachineError) as error:
            pytest.skip(f"a machine that systemd runs: {error}")
        exchange = machine.folder / "exchange"
        exchange.mkdir()
        os.chown(exchange, *_owner(machine))
        newtown = Served("newtown", machine.folder / "newtown", exchange, 7050, machine=machine)
        grid = Member("grid", machine.folder / "grid", exchange, 7050, inside=tuple(internet.command("grid")))
        newtown.settle()
        for member in (newtown, grid):
            member.describe(f"peer.{member.name}.example")
            member.description["orderers"][0]["host"] = f"orderer.{member.name}.example"
        newtown.description["days_valid"] = 1  # so that the timer finds something to renew
        found({"newtown": newtown, "grid": grid}, "all")
        yield newtown, grid
    finally:
        machine.close()
        internet.close()


def _owner(machine: Machine) -> tuple[int, int]:
    status = machine.folder.stat()
    return status.st_uid, status.st_gid


def all_trade(both: tuple[Served, Member]) -> None:
    for member in both:
        member.trades()


def test_the_units_run_as_written_and_the_kit_knows_them(both: tuple[Served, Member]) -> None:
    newtown, _ = both
    all_trade(both)
    assert newtown.machine.show(newtown.units[0], "User") == "newtown"
    said = newtown.run("org", "status")
    assert "orderer0.newtown running, peer0.newtown running, market.newtown running" in said
    assert "stop them with `systemctl stop" in newtown.run("org", "stop", code=2)
    for unit, pid in newtown.pids().items():
        scored = newtown.machine.run("systemd-analyze", "security", "--no-pager", unit).splitlines()[-1]
        status = newtown.machine.run("cat", f"/proc/{pid}/status")
        memory = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
        print(f"\n{unit}: {scored.strip()}; {int(memory) / 1024:.0f} MB")
        assert float(scored.split("level for")[1].split(":")[1].split()[0]) <= 2.0
    print(
        newtown.machine.run("systemd-analyze", "security", "--no-pager", f"{TIMER}.service").splitlines()[-1]
    )


def test_what_is_killed_is_back(both: tuple[Served, Member]) -> None:
    newtown, _ = both
    machine = newtown.machine
    for unit, pid in newtown.pids().items():
        machine.run("kill", "-9", str(pid))
        began = time.monotonic()
        wait_until(lambda unit=unit, pid=pid: newtown.pids()[unit] not in (0, pid), BACK_S)
        wait_until(lambda unit=unit: machine.connects(newtown.ports[unit]), BACK_S)
        print(f"\n{unit}: took connections {time.monotonic() - began:.1f} s after kill -9")
    newtown.wait()
    all_trade(both)


def test_the_timer_renews_certificates(both: tuple[Served, Member]) -> None:
    newtown, _ = both
    certificate = newtown.host.peers[0].tls_directory / "server.crt"
    before, pids = certificate.read_bytes(), newtown.pids()
    newtown.description["days_valid"] = 365
    newtown.init()
    # The timer as written waits for midnight; this one elapses at once.
    soon = newtown.machine.root / f"etc/systemd/system/{TIMER}.timer.d/soon.conf"
    soon.parent.mkdir()
    soon.write_text("[Timer]\nOnCalendar=\nOnActiveSec=1s\nRandomizedDelaySec=0\nAccuracySec=100ms\n")
    newtown.machine.run("systemctl", "daemon-reload")
    newtown.machine.run("systemctl", "restart", f"{TIMER}.timer")
    began = time.monotonic()
    wait_until(lambda: newtown.machine.show(f"{TIMER}.service", "ExecMainExitTimestamp"), 120)
    assert newtown.machine.show(f"{TIMER}.service", "Result") == "success", newtown.machine.run(
        "journalctl", "--no-pager", "--unit", f"{TIMER}.service"
    )
    print(f"\nrenewed by the timer in {time.monotonic() - began:.1f} s")
    soon.unlink()
    newtown.machine.run("systemctl", "daemon-reload")
    assert certificate.read_bytes() != before
    assert not {*pids.values()} & {*newtown.pids().values()}
    newtown.wait()
    all_trade(both)
    said = newtown.run("doctor")
    assert "to expire, in 364 days" in said
    assert "free, or the own nodes'" in said


def test_all_is_back_after_a_reboot(both: tuple[Served, Member]) -> None:
    newtown, grid = both
    began = time.monotonic()
    ended_s = newtown.machine.reboot()
    newtown.settle()
    booted_s = time.monotonic() - began
    wait_until(lambda: all(map(newtown.machine.connects, newtown.ports.values())), BACK_S)
    answered_s = time.monotonic() - began
    newtown.wait()
    all_trade(both)
    print(
        f"\nthe machine ended in {ended_s:.1f} s, was up after {booted_s:.1f} s, its nodes took connections after "
        f"{answered_s:.1f} s, and both had traded after "
        f"{time.monotonic() - began:.1f} s"
    )
    assert newtown.machine.show(f"{TIMER}.timer", "ActiveState") == "active"
    assert "waiting" not in grid.run("org", "status")


def test_a_node_reads_no_key_of_an_authority_and_writes_its_own_folders_alone(
    both: tuple[Served, Member],
) -> None:
    newtown, _ = both
    pid = newtown.pids()[next(unit for unit in newtown.units if "peer0" in unit)]
    authority = newtown.host.layout.organization("newtown") / "ca"
    seen = ("nsenter", "--target", str(pid), "--mount", "--")
    listed = subprocess.run(
        newtown.machine.command(*seen, "sh", "-c", f"cat {authority}/ca.key; touch {authority}/another"),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert "PRIVATE KEY" not in listed.stdout
    assert "Read-only file system" in listed.stderr
