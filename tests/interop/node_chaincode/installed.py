# SPDX-License-Identifier: Apache-2.0
"""The Node chaincode with its dependencies in place."""

from __future__ import annotations

from pathlib import Path

from ..npm import with_packages


def node_chaincode() -> Path:
    """The script that serves it; skips the test where Node or its packages cannot be had."""
    return with_packages(Path(__file__).parent) / "serve.py"
