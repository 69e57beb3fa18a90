# SPDX-License-Identifier: Apache-2.0
"""Chaincode on the official Java libraries, compiled by Maven; its libraries lie beside its classes."""

from __future__ import annotations

import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
CLASSES = "target/classes:target/lib/*"


@lru_cache(maxsize=1)
def java_chaincode() -> Path:
    """The folder in which `java -cp CLASSES` finds all; skips the test where Java, Maven or a library cannot be had."""
    maven = shutil.which("mvn")
    if maven is None or shutil.which("java") is None:
        pytest.skip("Java and Maven are not installed")
    command = [maven, "-q", "-B", "compile"]
    if not (FOLDER / "target" / "lib").is_dir():
        command += ["dependency:copy-dependencies", "-DoutputDirectory=target/lib"]
    made = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=600)
    if made.returncode:
        errors = [line for line in made.stdout.splitlines() if line.startswith("[ERROR]")]
        if any("COMPILATION ERROR" in line for line in errors):
            pytest.fail("\n".join(errors[:10]))
        pytest.skip(f"Maven's libraries cannot be had: {errors[:1] or made.stderr[-300:]}")
    return FOLDER
