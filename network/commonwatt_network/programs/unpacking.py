# SPDX-License-Identifier: Apache-2.0
"""Unpacking archives that others made: every file in them stays within the folder.

Python has such a filter of its own from 3.11.4 and 3.12 on; Debian 12 has 3.11.2.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

FILE_MODE = 0o755  # nothing is set-user-id, nothing is writable by others


def unpack(archive: tarfile.TarFile, folder: Path) -> None:
    """Write the archive's files and folders below `folder`, owned by the user of this process.

    Reads the archive once, so it may be a stream. Raises tarfile.TarError for anything else it holds (links, devices)
    and for a path that leads out of the folder.
    """
    root = Path(os.path.realpath(folder))
    for member in archive:
        path = Path(os.path.realpath(root / member.name))
        if os.path.isabs(member.name) or not path.is_relative_to(root):
            raise tarfile.TarError(f"{member.name} leads out of the folder")
        if member.isdir():
            path.mkdir(parents=True, exist_ok=True)
            continue
        content = archive.extractfile(member) if member.isreg() else None
        if content is None:
            raise tarfile.TarError(f"{member.name} is neither a file nor a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with content, os.fdopen(descriptor, "wb") as file:
            shutil.copyfileobj(content, file, 1 << 20)
            os.fchmod(file.fileno(), member.mode & FILE_MODE)
