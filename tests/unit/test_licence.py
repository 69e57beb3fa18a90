# SPDX-License-Identifier: Apache-2.0
"""Every Python file names its licence in its first lines."""

import subprocess
from pathlib import Path

LINE = "# SPDX-License-Identifier: Apache-2.0"


def test_every_python_file_names_its_licence(repository: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=repository, capture_output=True, text=True, check=True
    ).stdout.split()
    assert listed
    bare = [name for name in listed if LINE not in (repository / name).read_text("utf-8").splitlines()[:2]]
    assert bare == []
