# SPDX-License-Identifier: Apache-2.0
"""A meter of each kind as `commonwatt home new --meter KIND` writes it into home.yaml, to be changed there."""

from typing import Any

METERS: dict[str, dict[str, Any]] = {
    "replay": {"kind": "replay", "file": "trace.csv"},
    "mqtt": {
        "kind": "mqtt",
        "broker": {"host": "127.0.0.1"},
        "imports": {"topic": "meter/SENSOR", "path": "ENERGY.Import"},
        "exports": {"topic": "meter/SENSOR", "path": "ENERGY.Export"},
        "unit": "kWh",
    },
    "http": {
        "kind": "http",
        "url": "http://192.168.1.20/status",
        "imports": "emeters.0.total",
        "exports": "emeters.0.total_returned",
        "unit": "Wh",
    },
    "file": {"kind": "file", "path": "readings"},
    "modbus": {"kind": "modbus", "host": "192.168.1.30"},
}
