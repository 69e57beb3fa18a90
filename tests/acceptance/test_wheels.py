# SPDX-License-Identifier: Apache-2.0
"""Each distribution's wheel, installed alone into an empty environment, does its smallest use."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

UV = shutil.which("uv") or Path(sys.executable).with_name("uv")
PARTS = ("chaincode", "client", "network", "audit", "community", "loadgen")
CASE = '{"minute": 615, "energy": 900, "history": [150000]}'
VERBS = "import sys, typer; from commonwatt_loadgen.cli import register; app = typer.Typer(); register(app); app()"
# Part: what a user types first, and what must come of it. `{bin}` is the environment's folder of programs.
SMALLEST_USE: dict[str, tuple[list[str], str, int, str]] = {
    "chaincode": (
        [
            "{bin}/python", "-c",
            "from commonwatt_chaincode.market.clearing import clear; print(len(clear([], [], 1).fills), 'fills')",
        ],
        "", 0, "0 fills",
    ),
    "client": (
        [
            "{bin}/python", "-c",
            "from commonwatt_client.sync import connect_network_file as c\n"
            "try: c('nowhere.json', 'newtown', 'operator')\n"
            "except Exception as error: print(type(error).__name__)",
        ],
        "", 0, "NoNetworkError",
    ),
    "network": (["{bin}/commonwatt", "network", "up"], "", 0, "up in"),
    "audit": (["{bin}/commonwatt-audit", "prices", "-"], CASE, 0, '"sell"'),
    "community": (["{bin}/commonwatt-community", "home", "run"], "", 2, "commonwatt home new"),
    "loadgen": (["{bin}/python", "-c", VERBS, "simulate", "--in-process", "--homes", "4"], "", 0, "report:"),
}  # fmt: skip


def test_every_part_has_the_one_version(repository: Path) -> None:
    version = tomllib.loads((repository / "pyproject.toml").read_text())["project"]["version"]
    for part in PARTS:
        project = tomllib.loads((repository / part / "pyproject.toml").read_text())["project"]
        assert project["version"] == version, part
        siblings = [one for one in project["dependencies"] if one.startswith("commonwatt-")]
        assert all(one.endswith(f"=={version}") for one in siblings), (part, siblings)
        assert (repository / part / "LICENSE").read_bytes() == (repository / "LICENSE").read_bytes()


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every part's sdist, and the wheel made from it."""
    folder = tmp_path_factory.mktemp("dist")
    root = Path(__file__).parents[2]
    for part in PARTS:
        subprocess.run([UV, "build", "--quiet", "--out-dir", folder, root / part], check=True, timeout=300)
    return folder


@pytest.mark.long
def test_wheels_and_sdists_carry_the_licence(distributions: Path) -> None:
    for part in PARTS:
        (wheel,) = distributions.glob(f"commonwatt_{part}-*.whl")
        assert [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith("licenses/LICENSE")], part
        (sdist,) = distributions.glob(f"commonwatt_{part}-*.tar.gz")
        with tarfile.open(sdist) as archive:
            assert [
                name for name in archive.getnames() if name.count("/") == 1 and name.endswith("/LICENSE")
            ], part


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_second_build_has_the_same_bytes(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(repository / "tools"))
    monkeypatch.setenv("PATH", f"{Path(UV).parent}:{os.environ['PATH']}")
    release = importlib.import_module("release")
    for folder in ("first", "second"):
        release.build(tmp_path / folder, 1_760_000_000)
        for part in PARTS:
            release.require_licence(tmp_path / folder, part, release.version())
    assert len(list((tmp_path / "first").glob("commonwatt_*"))) == 2 * len(PARTS)
    assert release.differences(tmp_path / "first", tmp_path / "second") == []


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", PARTS)
def test_a_part_alone_does_its_smallest_use(part: str, distributions: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, environment], check=True, timeout=60)
    python = environment / "bin" / "python"
    (wheel,) = distributions.glob(f"commonwatt_{part}-*.whl")
    subprocess.run(
        [UV, "pip", "install", "--quiet", "--python", python, "--find-links", distributions, wheel],
        check=True,
        timeout=400,
    )
    words, given, code, said = SMALLEST_USE[part]
    command = [word.replace("{bin}", str(environment / "bin")) for word in words]
    variables = {
        "PATH": f"{environment / 'bin'}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "COMMONWATT_HOMES": "2",
    }
    try:
        done = subprocess.run(
            command, cwd=tmp_path, input=given, env=variables, capture_output=True, text=True, timeout=120
        )
    finally:
        if part == "network":
            subprocess.run(
                [environment / "bin" / "commonwatt", "network", "down"], cwd=tmp_path, env=variables
            )
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stdout + done.stderr


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_chaincode_project_of_the_wheels_passes_its_tests(distributions: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, environment], check=True, timeout=60)
    (wheel,) = distributions.glob("commonwatt_network-*.whl")
    subprocess.run(
        [
            UV,
            "pip",
            "install",
            "--quiet",
            "--python",
            environment / "bin" / "python",
            "--find-links",
            distributions,
            f"commonwatt-network[testing] @ {wheel.as_uri()}",
        ],
        check=True,
        timeout=400,
    )
    variables = {"PATH": f"{environment / 'bin'}:/usr/bin:/bin", "HOME": str(tmp_path)}
    for command, folder, said in (
        ([environment / "bin" / "commonwatt", "chaincode", "new", "assets"], tmp_path, "test_assets.py"),
        (["make", "test"], tmp_path / "assets", "3 passed"),
    ):
        done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        assert said in done.stdout
