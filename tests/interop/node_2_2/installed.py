# SPDX-License-Identifier: Apache-2.0
"""The Node SDK of Fabric 2.2 with its dependencies in place."""

from __future__ import annotations

from pathlib import Path

from ..npm import with_packages


def old_node_client() -> Path:
    """The script; skips the test where Node or its packages cannot be had."""
    return with_packages(Path(__file__).parent, "--ignore-scripts") / "client.js"
