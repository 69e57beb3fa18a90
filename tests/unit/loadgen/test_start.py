"""Verbs start fast: what is slow to load is loaded by those who need it, once they have something to do."""

import subprocess
import sys

SLOW = ("numpy", "pandas", "matplotlib", "aiohttp", "distributed")
WITHOUT = f"""
import sys, typer
from commonwatt_loadgen.commands import register
register(typer.Typer())
print(*(name for name in {SLOW} if name in sys.modules))
"""


def test_offering_the_verbs_loads_nothing_slow() -> None:
    ran = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=60)
    assert (ran.stdout.split(), ran.stderr) == ([], "")
