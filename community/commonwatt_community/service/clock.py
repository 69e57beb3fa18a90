# SPDX-License-Identifier: Apache-2.0
"""The time of the service itself: sessions, invitations and receipts are of real time on simulated channels, too."""

import time


def now_s() -> int:
    """Epoch seconds."""
    return int(time.time())
