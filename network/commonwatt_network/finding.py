# SPDX-License-Identifier: Apache-2.0
"""One thing that `commonwatt doctor` looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `needed`: whether what this machine is for needs it."""

    what: str
    good: bool
    says: str
    needed: bool = False
