# SPDX-License-Identifier: Apache-2.0
"""Files that their owner alone reads, and that stand whole or not at all."""

import os
from pathlib import Path

from commonwatt_client.errors import ConfigurationError


def write_secret(path: Path, content: bytes) -> None:
    """Write a file of mode 0600; one that is there is replaced. ConfigurationError where it cannot be written."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error
