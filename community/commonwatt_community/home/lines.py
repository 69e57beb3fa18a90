# SPDX-License-Identifier: Apache-2.0
"""A home's lines to its household: one at a time, and one line for a trouble that lasts."""

from collections import deque
from collections.abc import Callable
from datetime import datetime

from ..meters.clock import Clock

KEPT = 200


class Lines:
    """Says lines with the local time, and keeps the last ones for the page."""

    def __init__(
        self, clock: Clock | None = None, write: Callable[[str], None] = lambda line: print(line, flush=True)
    ) -> None:
        self._clock = clock or Clock()
        self._write = write
        self._troubles: dict[str, str] = {}
        self.kept: deque[str] = deque(maxlen=KEPT)

    def tell(self, sentence: str) -> None:
        """Say a line."""
        at = datetime.fromtimestamp(self._clock.now()).astimezone()
        line = f"{at:%H:%M:%S} {sentence}"
        self.kept.append(line)
        self._write(line)

    def trouble(self, about: str, sentence: str) -> None:
        """Say what goes wrong `about` something, once until it is over."""
        if about not in self._troubles:
            self.tell(sentence)
        self._troubles[about] = sentence

    def over(self, about: str, sentence: str) -> None:
        """Say that it goes well again, if it did not."""
        if self._troubles.pop(about, None) is not None:
            self.tell(sentence)

    @property
    def troubles(self) -> dict[str, str]:
        """What goes wrong now."""
        return dict(self._troubles)


def cents(price_uaud_per_kwh: int) -> str:
    """A price in cents per kWh, as people read it."""
    return f"{price_uaud_per_kwh / 10_000:.2f} c/kWh"
