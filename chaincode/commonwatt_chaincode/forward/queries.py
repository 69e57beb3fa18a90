# SPDX-License-Identifier: Apache-2.0
"""Questions about the configuration, homes and keys."""

from typing import Any

from ..shim import Stub
from .access import require_any_role
from .records import as_json
from .state import situation


async def get_configuration(stub: Stub) -> dict[str, Any]:
    """The configuration, and the market time."""
    require_any_role(stub)
    now = await situation(stub)
    return {"configuration": as_json(now.configuration), "now_s": now.now_s}
