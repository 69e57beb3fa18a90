"""The sync client's modules are what `client/mirror_sync.py` writes, so neither client has logic of its own."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

CLIENT = Path(__file__).parents[3] / "client"


def load_mirror() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mirror_sync", CLIENT / "mirror_sync.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MIRROR = load_mirror()


@pytest.mark.parametrize("module", MIRROR.MODULES)
def test_mirror_is_up_to_date(module: str, tmp_path: Path) -> None:
    written = tmp_path / f"{module}.py"
    written.write_text(MIRROR.mirrored(module))
    config = CLIENT.parent / "pyproject.toml"
    formatter = Path(sys.executable).parent / "ruff"
    subprocess.run([formatter, "format", "--quiet", "--config", config, written], check=True, timeout=60)
    current = (CLIENT / "commonwatt_client" / "sync" / f"{module}.py").read_text()
    assert current == written.read_text(), "run: python client/mirror_sync.py && ruff format client"


@pytest.mark.parametrize("module", MIRROR.MODULES)
def test_nothing_asynchronous_is_left(module: str) -> None:
    text = MIRROR.mirrored(module)
    assert not [word for word in ("await ", "async ", "asyncio", "aenter") if word in text]
