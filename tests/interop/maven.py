# SPDX-License-Identifier: Apache-2.0
"""Java programs that tests run beside ours, built by Maven in their own folders."""

from __future__ import annotations

import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

import pytest

COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"


@lru_cache(maxsize=8)
def java_program(folder: Path, main: str) -> tuple[str, ...]:
    """The command that runs the folder's class `main`; skips the test where Java, Maven or a library is missing."""
    maven = shutil.which("mvn")
    if maven is None or shutil.which("javac") is None:
        pytest.skip("a Java development kit and Maven are not installed")
    built = subprocess.run(
        [maven, "--batch-mode", "--quiet", "compile", COPY, "-DoutputDirectory=target/lib"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
    )
    if built.returncode:
        said = [line for line in built.stdout.splitlines() if "ERROR" in line]
        assert not any("COMPILATION ERROR" in line for line in said), built.stdout[-3000:]
        pytest.skip(f"Maven failed: {' '.join(said)[:300]}")
    return ("java", "-cp", f"{folder / 'target/classes'}:{folder / 'target/lib'}/*", main)
