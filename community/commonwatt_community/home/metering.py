# SPDX-License-Identifier: Apache-2.0
"""A home's meter at work: its counts go into the book, and are cut into the market's periods."""

from collections.abc import Callable

from ..meters.clock import Clock
from ..meters.counted import Counted, Meter, MeterFailed
from ..meters.cutting import Cut, Cutter
from .book import Book
from .lines import Lines
from .participation import Participation

_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
_METER = "the meter"
_GAP = "gaps of the meter"


class Metering:
    """Reads the meter. `was_cut` is called with each period that ends, once the book has it."""

    def __init__(
        self,
        meter: Meter,
        book: Book,
        lines: Lines,
        clock: Clock,
        participation: Participation,
        was_cut: Callable[[Cut], None],
    ) -> None:
        self._meter = meter
        self._book = book
        self._lines = lines
        self._clock = clock
        self._participation = participation
        self._was_cut = was_cut
        self._cutter: Cutter | None = None
        last = book.last_count()
        self._last_s = None if last is None else last.at_s

    async def run(self) -> None:
        """Count. A meter that fails is tried again; a file that is read to its end ends this."""
        pause_s = _PAUSE_S
        while True:
            try:
                async for counted in self._meter.readings(self._book.last_count()):
                    self._lines.over(_METER, "the meter is back")
                    pause_s = _PAUSE_S
                    self._counted(counted)
                return
            except MeterFailed as error:
                self._lines.trouble(_METER, f"{error}; I try again")
            await self._clock.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def cut_anew(self) -> None:
        """Cut what was counted since the last period that is known, by the calendar that is known now."""
        assert self._participation.calendar is not None
        self._cutter = Cutter(self._participation.calendar.at)
        last = self._book.last_cut()
        for counted in self._book.counts_since(0 if last is None else last.period.end_s):
            self._book.add(counted, list(self._cutter.add(counted)))

    def _counted(self, counted: Counted) -> None:
        self._watch_for_gaps(counted)
        cuts = [] if self._cutter is None else list(self._cutter.add(counted))
        self._book.add(counted, cuts)
        for cut in cuts:
            self._was_cut(cut)

    def _watch_for_gaps(self, counted: Counted) -> None:
        last, self._last_s = self._last_s, counted.at_s
        calendar = self._participation.calendar
        if last is None or calendar is None:
            return
        silent_s = counted.at_s - last
        length_s = calendar.at(last).length_min * 60
        if silent_s > length_s:
            self._lines.trouble(
                _GAP,
                f"the meter counted nothing for {silent_s / 60:.0f} minutes, and a period has {length_s // 60}: "
                "there are no readings of that time; its registers tell the operator how much it was",
            )
        else:
            self._lines.over(_GAP, "the meter counts in time again")
