# SPDX-License-Identifier: Apache-2.0
"""What the client needs for some of its work alone, and is installed with its extras."""

import importlib
from typing import Any

from commonwatt_client.errors import ConfigurationError


def extra(module: str, name: str, purpose: str) -> Any:
    """A module of the extra `name`. Raises ConfigurationError that says how to install it.

    It is loaded here and not before: a web client takes a fifth of a second, which most commands do without.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigurationError(
            f"{purpose} needs {module}, which is not installed; pip install 'commonwatt-client[{name}]'"
        ) from error
