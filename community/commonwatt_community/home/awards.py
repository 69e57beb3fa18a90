# SPDX-License-Identifier: Apache-2.0
"""What came of a home's bids: it follows each period to its clearing, tells its household, and notes what was sold."""

from commonwatt_chaincode.market.forward.periods import Period

from ..market.results import Award, PeriodAwards
from ..meters.clock import Clock
from .bidding import Bidding
from .bids import Bids
from .book import Book, Trade
from .lines import Lines, cents
from .participation import Participation
from .questions import Questions
from .trader import words
from .trading import Trading


class Awards:
    """Hears of awards, from the period in which the home begins."""

    def __init__(
        self,
        questions: Questions,
        participation: Participation,
        trading: Trading,
        bidding: Bidding,
        bids: Bids,
        book: Book,
        lines: Lines,
        clock: Clock,
    ) -> None:
        self._questions = questions
        self._participation = participation
        self._trading = trading
        self._bidding = bidding
        self._bids = bids
        self._book = book
        self._lines = lines
        self._clock = clock

    async def run(self) -> None:
        """Follow period after period, without end."""
        calendar = await self._participation.known()
        period = calendar.at(self._clock.now())
        while True:
            calendar = await self._participation.known()
            await self._clock.sleep_until(calendar.clears_s(period))
            await self._cleared(period)
            period = calendar.after(period)

    async def _cleared(self, period: Period) -> None:
        awards = await self._heard(period)
        did_bid = self._bids.end(period)
        choice = self._bidding.choices.get(period.id)
        if choice is None:
            return
        mine = (
            None
            if awards is None
            else next((a for a in awards.awards if a.home == self._questions.home), None)
        )
        sold_wh = 0 if mine is None else mine.sold_wh
        if sold_wh:
            self._trading.sold(period, sold_wh)
        line = f"{words(choice.bid)}: {choice.reason}"
        if did_bid:
            line += f"; {outcome(awards, mine)}"
        calendar = await self._participation.known()
        self._lines.tell(f"{calendar.local(period)} {line}")
        price = None if awards is None else awards.price_uaud_per_kwh
        bought_wh = 0 if mine is None else mine.bought_wh
        code = "not_cleared" if did_bid and awards is None else "" if mine is None else mine.code
        self._book.add_trade(Trade(period.id, bought_wh, sold_wh, price, code, line))
        self._trading.forget_before(period)

    async def _heard(self, period: Period) -> PeriodAwards | None:
        """The awards of a period for which the home bid, asked for until it starts, and once then."""
        awards: PeriodAwards | None = None
        while self._clock.now() < period.start_s and awards is None:
            if period not in self._bids:
                break
            awards = await self._questions.awards(period)
            if awards is None:
                await self._clock.sleep(max(1.0, period.length_min / 2))
        if period in self._bids and awards is None:
            awards = await self._questions.awards(period)
        return awards


def outcome(awards: PeriodAwards | None, mine: Award | None) -> str:
    """What became of a bid, as the household reads it. `mine`: the home's award among those of the period."""
    if awards is None:
        return "the market was not cleared in time, so the grid does it all"
    if mine is None:
        return "my bid did not reach the market in time"
    if mine.code:
        return f"the market refused it: {mine.code}"
    if not mine.bought_wh and not mine.sold_wh:
        return "nobody traded with me"
    assert awards.price_uaud_per_kwh is not None
    price = cents(awards.price_uaud_per_kwh)
    return (
        f"bought {mine.bought_wh} Wh at {price}" if mine.bought_wh else f"sold {mine.sold_wh} Wh at {price}"
    )
