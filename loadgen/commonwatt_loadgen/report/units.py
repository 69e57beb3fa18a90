# SPDX-License-Identifier: Apache-2.0
"""From the integers of a summary to what people read."""

from typing import Any

Json = dict[str, Any]

NAUD_PER_AUD = 1_000_000_000
UAUD_PER_CENT = 10_000


def aud(amount_naud: int) -> float:
    """Money in AUD, to the cent."""
    return round(amount_naud / NAUD_PER_AUD, 2)
