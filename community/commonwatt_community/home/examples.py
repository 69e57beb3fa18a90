# SPDX-License-Identifier: Apache-2.0
"""A meter of each kind as `commonwatt home new --meter KIND` writes it into home.yaml, to be changed there."""

from typing import Any

METERS: dict[str, dict[str, Any]] = {
    "replay": {"kind": "replay", "file": "trace.csv"},
}
