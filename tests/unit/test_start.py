# SPDX-License-Identifier: Apache-2.0
"""Verbs start fast, and the agents of homes stay light: nothing loads what it does not need."""

import subprocess
import sys

import pytest

SLOW = ("numpy", "pandas", "matplotlib", "aiohttp", "distributed")
HEAVY = (
    *SLOW,
    "aiomqtt",
    "pymodbus",
    "sklearn",
    "starlette",
    "uvicorn",
    "commonwatt_network",
    "commonwatt_loadgen",
)


def loaded(code: str, names: tuple[str, ...]) -> list[str]:
    """Those of the modules `names` that are loaded once a new process has run `code`."""
    script = f"import sys\n{code}\nprint(*(name for name in {names} if name in sys.modules))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert ran.stderr == ""
    return ran.stdout.split()


@pytest.mark.parametrize("part", ["audit", "community", "loadgen"])
def test_offering_the_verbs_loads_nothing_slow(part: str) -> None:
    code = f"import typer\nfrom commonwatt_{part}.cli import register\nregister(typer.Typer())"
    assert loaded(code, SLOW) == []


def test_researchers_take_the_agents_without_servers_and_devices() -> None:
    modules = "agent battery draws energy flexibility forecast grid_charging home latecomers noise strategy"
    code = "\n".join(f"import commonwatt_community.hems.{module}" for module in modules.split())
    assert loaded(code, HEAVY) == []
