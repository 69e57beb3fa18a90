# SPDX-License-Identifier: Apache-2.0
"""What researchers import needs no extra: no web server, no MQTT, no Modbus, no scikit-learn."""

import subprocess
import sys

LIGHT = (
    "commonwatt_community.hems.agent",
    "commonwatt_community.hems.forward.agent",
    "commonwatt_community.market.carrier",
    "commonwatt_community.market.turning",
    "commonwatt_community.messages.journal",
    "commonwatt_community.forecasts",
    "commonwatt_community.plugins",
)
HEAVY = ("aiohttp", "argon2", "jinja2", "pyotp", "segno", "aiomqtt", "pymodbus", "numpy", "sklearn")


def test_agents_and_market_import_no_extra():
    code = (
        f"import sys, importlib\nfor name in {LIGHT}: importlib.import_module(name)\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
