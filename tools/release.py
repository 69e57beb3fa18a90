# SPDX-License-Identifier: Apache-2.0
"""The one version of the six distributions: show it, set it, or make a release of it.

`release.py` prints the version. `release.py set X.Y.Z` writes it into every pyproject.toml, and into the parts' pins of
each other. `release.py make` builds every distribution into dist/, checks what it built, and tags the commit.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("chaincode", "client", "network", "audit", "community", "loadgen")
VERSION = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")


def version() -> str:
    """The version that the root's pyproject.toml states."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def set_version(new: str) -> None:
    """Write a version to the root and to every part; exits where it is no version."""
    if not VERSION.fullmatch(new):
        sys.exit(f"{new} is no version; write one as 1.2.3 or 1.2.3rc1")
    for folder in ("", *PARTS):
        path = ROOT / folder / "pyproject.toml"
        text = re.sub(r'(?m)^version = ".*"$', f'version = "{new}"', path.read_text(), count=1)
        path.write_text(re.sub(r'"(commonwatt-[a-z]+(?:\[[a-z0-9,]+\])?)==[^"]*"', rf'"\1=={new}"', text))
    subprocess.run(["uv", "lock"], cwd=ROOT, check=True)


def make() -> None:
    """Build, check and tag; exits at the first thing that is not as a release needs it."""
    now = version()
    changed = subprocess.run(
        ["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True
    ).stdout
    if changed:
        sys.exit(f"commit these first:\n{changed}")
    if f"## {now}" not in (ROOT / "CHANGELOG.md").read_text():
        sys.exit(f"CHANGELOG.md has no section {now}; name its changes there")
    for part in PARTS:
        subprocess.run(["uv", "build", "--out-dir", "dist", part], cwd=ROOT, check=True)
        (wheel,) = (ROOT / "dist").glob(f"commonwatt_{part}-{now}-*.whl")
        if not any(name.endswith("licenses/LICENSE") for name in zipfile.ZipFile(wheel).namelist()):
            sys.exit(f"{wheel.name} carries no LICENSE")
    subprocess.run(
        ["git", "tag", "--annotate", f"v{now}", "--message", f"Commonwatt {now}"], cwd=ROOT, check=True
    )
    print(f"built dist/ and tagged v{now}; publish with `uv publish dist/*` and `git push --tags`")


if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            print(version())
        case ["set", new]:
            set_version(new)
        case ["make"]:
            make()
        case _:
            sys.exit(__doc__)
