# SPDX-License-Identifier: Apache-2.0
"""`commonwatt doctor` compares this host's clock with the other organisation's, asked by real Fabric's peers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from commonwatt_network.consortium.examination import examine_host

from tests.support.fabric import require_backend
from tests.support.organisations import found, members

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
AHEAD = """import runpy, sys, time
real = time.clock_gettime_ns
time.clock_gettime_ns = lambda clock: real(clock) + 20 * 10**9
runpy.run_module("commonwatt_chaincode", run_name="__main__")
"""


def test_the_other_organisations_clock_is_told(tmp_path: Path) -> None:
    require_backend("native")
    with members(tmp_path, ("newtown", "grid")) as everyone:
        for member in everyone.values():
            member.describe("localhost")
            member.description["chaincode"]["clock_error_s"] = 60
        program = tmp_path / "ahead.py"
        program.write_text(AHEAD)
        everyone["grid"].description["chaincode"]["command"] = [sys.executable, str(program)]
        found(everyone, "all")
        says = {}
        for member in everyone.values():
            says |= {each.what: each for each in examine_host(member.host)}
    assert not says["clock GridMSP"].good
    assert "20 s ahead of this host's; one of the two is wrong" in says["clock GridMSP"].says
    assert says["clock NewtownMSP"].good
    assert "0 s " in says["clock NewtownMSP"].says
