"""The sync client's modules are what `client/mirror_*.py` write: it has no logic of its own."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

CLIENT = Path(__file__).parents[3] / "client"


def load_mirror(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, CLIENT / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MIRROR = load_mirror("mirror_sync")


@pytest.mark.parametrize("module", MIRROR.MODULES)
def test_mirror_is_up_to_date(module: str, tmp_path: Path) -> None:
    written = tmp_path / f"{module}.py"
    written.write_text(MIRROR.mirrored(module))
    ruff("format", written)
    current = (CLIENT / "commonwatt_client" / "sync" / f"{module}.py").read_text()
    assert current == written.read_text(), "run: python client/mirror_sync.py && ruff format client"


ADMIN_MIRROR = load_mirror("mirror_admin")


@pytest.mark.parametrize("module", ADMIN_MIRROR.MIRRORED)
def test_administration_is_up_to_date(module: str, tmp_path: Path) -> None:
    written = tmp_path / f"{module}.py"
    written.write_text(ADMIN_MIRROR.written(module))
    ruff("check", "--fix", "--exit-zero", written)
    ruff("format", written)
    current = (CLIENT / "commonwatt_client" / "sync" / "admin" / f"{module}.py").read_text()
    advice = "run: python client/mirror_admin.py && ruff check --fix client; ruff format client"
    assert current == written.read_text(), advice


def ruff(*arguments: object) -> None:
    program, config = Path(sys.executable).parent / "ruff", CLIENT.parent / "pyproject.toml"
    subprocess.run([program, *arguments, "--quiet", "--config", config], check=True, timeout=60)  # type: ignore[list-item]


@pytest.mark.parametrize("module", MIRROR.MODULES)
def test_nothing_asynchronous_is_left(module: str) -> None:
    text = MIRROR.mirrored(module)
    assert not [word for word in ("await ", "async ", "asyncio", "aenter") if word in text]
