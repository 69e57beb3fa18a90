# SPDX-License-Identifier: Apache-2.0
"""What `pip install --editable` does for a package of ours, without a registry: metadata beside a path to the code."""

from __future__ import annotations

import tomllib
from pathlib import Path


def install_editable(project: Path, into: Path) -> None:
    """Write the `.dist-info` of a project's name, version and entry points, and copy nothing: `into` and the project
    both belong on PYTHONPATH then.
    """
    said = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]
    info = into / f"{said['name'].replace('-', '_')}-{said['version']}.dist-info"
    info.mkdir(parents=True)
    metadata = f"Metadata-Version: 2.1\nName: {said['name']}\nVersion: {said['version']}\n"
    (info / "METADATA").write_text(metadata)
    lines: list[str] = []
    for group, offered in said["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in offered.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
