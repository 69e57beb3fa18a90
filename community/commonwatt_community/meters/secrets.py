# SPDX-License-Identifier: Apache-2.0
"""Passwords and tokens that home.yaml names by their files."""

from pathlib import Path

from commonwatt_client.errors import ConfigurationError


def secret_in(file: Path) -> str:
    """A password or token in a file that its owner alone reads. ConfigurationError."""
    try:
        if file.stat().st_mode & 0o077:
            raise ConfigurationError(f"others may read {file}; close it with `chmod 600 {file}`")
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ConfigurationError(f"{file} cannot be read: {reason}") from error
