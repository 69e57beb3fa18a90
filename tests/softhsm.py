# SPDX-License-Identifier: Apache-2.0
"""SoftHSM, a PKCS#11 token in software, for tests of signing in hardware (Debian: softhsm2).

A process loads the library once, with the configuration of that moment, so all tests share one folder of tokens.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)


@dataclass(frozen=True)
class SoftHsm:
    """The library's path, and the PIN of every token made."""

    library: str
    pin: str = "2468"

    def new_token(self, token_label: str, keys: dict[str, Path]) -> None:
        """A token that holds private keys, PKCS#8 PEM files by their labels."""
        self._util("--init-token", "--free", "--label", token_label, "--pin", self.pin, "--so-pin", "1357")
        for number, (label, file) in enumerate(keys.items()):
            where = ("--token", token_label, "--label", label, "--id", f"{number:02x}", "--pin", self.pin)
            self._util("--import", str(file), *where)
        import pkcs11

        pkcs11.lib(self.library).reinitialize()  # a library that is loaded already knows only older tokens

    def _util(self, *arguments: str) -> None:
        subprocess.run(["softhsm2-util", *arguments], check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHsm]:
    """SoftHSM with a folder of its own; skips where it or the extra pkcs11 is not installed."""
    pytest.importorskip("pkcs11", reason="the extra pkcs11 is not installed")
    library = next((place for place in LIBRARIES if Path(place).exists()), None)
    if library is None or not shutil.which("softhsm2-util"):
        pytest.skip("SoftHSM is not installed (Debian: apt-get install softhsm2)")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "SOFTHSM2_CONF", str(configuration))
        yield SoftHsm(library)
