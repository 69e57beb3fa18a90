# SPDX-License-Identifier: Apache-2.0
"""The one version of the six distributions: show it, set it, or make a release of it.

`release.py` prints the version. `release.py set X.Y.Z` writes it into every pyproject.toml, into the parts' pins of
each other, and into the pages that name it. `release.py make` builds every distribution twice into dist/, checks what
it built, and writes a bill of materials. `release.py tag` tags the commit.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import uuid
import zipfile
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("chaincode", "client", "network", "audit", "community", "loadgen")
VERSION = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")
LICENCE = "LICENSE"
TELLS_THE_VERSION = {
    "README.md": r"(?m)(?<=^\*\*Its state\.\*\* Version )[\w.]+(?=:)",
    "chaincode/Dockerfile": r"(?<=commonwatt-chaincode:)[\w.]+",
    "docs/compose.md": r"(?<=commonwatt-chaincode:)[\w.]+",
    "docs/kubernetes.md": r"(?<=commonwatt-chaincode:)[\w.]+",
}
"""File -> the places in it that name the version in force."""


def version() -> str:
    """The version that the root's pyproject.toml states."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def set_version(new: str) -> None:
    """Write a version to the root, to every part and to the pages; exits where it is no version."""
    if not VERSION.fullmatch(new):
        sys.exit(f"{new} is no version; write one as 1.2.3 or 1.2.3rc1")
    for folder in ("", *PARTS):
        path = ROOT / folder / "pyproject.toml"
        text = re.sub(r'(?m)^version = ".*"$', f'version = "{new}"', path.read_text(), count=1)
        path.write_text(re.sub(r'"(commonwatt-[a-z]+(?:\[[a-z0-9,]+\])?)==[^"]*"', rf'"\1=={new}"', text))
    for name, place in TELLS_THE_VERSION.items():
        path = ROOT / name
        path.write_text(re.sub(place, new, path.read_text()))
    subprocess.run(["uv", "lock"], cwd=ROOT, check=True)


def make() -> None:
    """Build and check; exits at the first thing that is not as a release needs it."""
    now = version()
    require_clean(now)
    made, epoch_s = ROOT / "dist", committed_s()
    if made.exists() and any(made.iterdir()):
        sys.exit(f"{made} is not empty; move away what it holds")
    build(made, epoch_s)
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder)
        build(again, epoch_s)
        if differing := differences(made, again):
            sys.exit(f"built again, these differ: {', '.join(differing)}")
    for part in PARTS:
        require_licence(made, part, now)
        try_alone(made, part, now)
        print(f"{part}: built twice alike, carries {LICENCE}, works in an empty environment", flush=True)
    materials = made / f"commonwatt-{now}.cdx.json"
    materials.write_text(bill_of_materials(now, epoch_s))
    print(
        f"built dist/ with {materials.name}; tag the commit with `python tools/release.py tag`, "
        "and publish with `uv publish dist/*.whl dist/*.tar.gz`"
    )


def tag() -> None:
    """Tag the commit with the version; exits where something is not committed, or CHANGELOG.md lacks it."""
    now = version()
    require_clean(now)
    subprocess.run(
        ["git", "tag", "--annotate", f"v{now}", "--message", f"Commonwatt {now}"], cwd=ROOT, check=True
    )
    print(f"tagged v{now}; publish the tag with `git push --tags`")


def require_clean(now: str) -> None:
    """Exit where something is not committed, or where CHANGELOG.md does not name the version's changes."""
    changed = subprocess.run(
        ["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True
    ).stdout
    if changed:
        sys.exit(f"commit these first:\n{changed}")
    if f"## {now}" not in (ROOT / "CHANGELOG.md").read_text():
        sys.exit(f"CHANGELOG.md has no section {now}; name its changes there")


def committed_s() -> int:
    """When the commit was made, in seconds since 1970: the time that everything in the archives bears."""
    told = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return int(told.stdout)


def build(folder: Path, epoch_s: int, parts: tuple[str, ...] = PARTS) -> None:
    """Build each part's source archive, and the wheel from it; the same bytes at every place and time."""
    for part in parts:
        subprocess.run(
            ["uv", "build", "--quiet", "--out-dir", folder, ROOT / part],
            env=os.environ | {"SOURCE_DATE_EPOCH": str(epoch_s)},
            check=True,
        )


def differences(one: Path, other: Path) -> list[str]:
    """The archives that are not the same, byte by byte, in both folders."""
    names = {
        path.name for folder in (one, other) for path in (*folder.glob("*.whl"), *folder.glob("*.tar.gz"))
    }
    return sorted(name for name in names if _content(one / name) != _content(other / name))


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def require_licence(folder: Path, part: str, now: str) -> None:
    """Exit where a part's wheel or source archive carries no licence."""
    wheel = folder / f"commonwatt_{part}-{now}-py3-none-any.whl"
    if not any(name.endswith(f"licenses/{LICENCE}") for name in zipfile.ZipFile(wheel).namelist()):
        sys.exit(f"{wheel.name} carries no {LICENCE}")
    source = folder / f"commonwatt_{part}-{now}.tar.gz"
    with tarfile.open(source) as archive:
        if f"commonwatt_{part}-{now}/{LICENCE}" not in archive.getnames():
            sys.exit(f"{source.name} carries no {LICENCE}")


def try_alone(folder: Path, part: str, now: str) -> None:
    """Install a part's wheel into an empty environment, and import it; exits where that fails."""
    with tempfile.TemporaryDirectory() as empty:
        environment = Path(empty) / "environment"
        subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, environment], check=True)
        python = environment / "bin" / "python"
        wheel = folder / f"commonwatt_{part}-{now}-py3-none-any.whl"
        subprocess.run(
            ["uv", "pip", "install", "--quiet", "--python", python, "--find-links", folder, wheel], check=True
        )
        subprocess.run([python, "-I", "-c", f"import commonwatt_{part}"], cwd=empty, check=True)
        for program in (environment / "bin").glob("commonwatt*"):
            told = subprocess.run(
                [program, "--version"], cwd=empty, capture_output=True, text=True, check=True
            )
            if told.stdout != f"commonwatt {now}\n":
                sys.exit(f"{program.name} --version of {wheel.name} says {told.stdout!r}")


def bill_of_materials(now: str, epoch_s: int) -> str:
    """What the distributions and their extras stand on, by uv.lock, as CycloneDX JSON; the same for the same commit."""
    words = ["uv", "export", "--quiet", "--frozen", "--no-dev", "--all-packages", "--all-extras"]
    exported = subprocess.run(
        [*words, "--format", "cyclonedx1.5", "--preview-features", "sbom-export"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    content = json.loads(exported)
    content["metadata"]["timestamp"] = datetime.fromtimestamp(epoch_s, UTC).isoformat()
    content["metadata"]["component"] |= {"name": "commonwatt", "version": now}
    content["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content["components"])).urn
    return json.dumps(content, indent=2) + "\n"


if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            print(version())
        case ["set", new]:
            set_version(new)
        case ["make"]:
            make()
        case ["tag"]:
            tag()
        case _:
            sys.exit(__doc__)
