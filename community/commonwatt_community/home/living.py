# SPDX-License-Identifier: Apache-2.0
"""A home that lives: its meter, its bids, its awards and its readings, each in a task that outlasts every outage."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from commonwatt_chaincode.market.forward.bids import REQUEST, Bid
from commonwatt_chaincode.market.forward.envelopes import Caps
from commonwatt_chaincode.market.forward.periods import Period
from commonwatt_chaincode.messages.message import A_READING, BID, read
from commonwatt_client.errors import ClientError

from ..hems.forward.agent import NO_CAPS
from ..market.refused import Refused
from ..market.results import Award, Home, PeriodAwards, Standing
from ..messages.author import Author
from ..messages.journal import Journal
from ..meters.clock import Clock
from ..meters.counted import Counted, Meter, MeterFailed, Steered
from ..meters.cutting import Cut, Cutter
from .book import Book, Trade
from .calendar import Calendar
from .lines import Lines, cents
from .outbox import CLOCK, CLOCK_DIFFERS, Outbox
from .routes import Asks, NoWay, Routes
from .settings import HomeSettings
from .together import together
from .trader import Choice, Trader, words
from .wishes import Wishes, any_wish, wishes_of, written

REFRESH_S = 300.0
"""How often at least the home reads the configuration and its registration again."""

_PAST_DAYS = 29
_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
_MARGIN_S = 3.0  # before a gate, a bid is too late to be carried
_QUESTIONS = "questions"
_METER = "the meter"
_KEPT = ("household", "home assistant", "portal")
_OWN_CLOCK = "this machine's clock"
_REGISTRATION = "registration"
_GAP = "gaps of the meter"
Answer = TypeVar("Answer")


class LivingHome:
    """One home between its meter and its market; `run` goes on until it is cancelled."""

    def __init__(
        self,
        settings: HomeSettings,
        routes: Routes,
        author: Author,
        journal: Journal,
        book: Book,
        meter: Meter,
        lines: Lines,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self.routes = routes
        self._author = author
        self._journal = journal
        self._meter = meter
        self.clock = clock
        self.home = settings.home
        self.book = book
        self.lines = lines
        self.outbox = Outbox(routes, book, lines, clock)
        self.calendar: Calendar | None = None
        self.trader: Trader | None = None
        self.choices: dict[int, Choice] = {}
        self.sold_wh: dict[int, int] = {}
        self._registration: Home | None = None
        self._cutter: Cutter | None = None
        last = book.last_count()
        self._last_s = None if last is None else last.at_s
        self._standing: Standing | None = None
        self._ready = asyncio.Event()
        self._bidding: dict[int, tuple[Period, asyncio.Task[str]]] = {}
        self._withdrawn: set[int] = set()
        self._wishes = {who: wishes_of(book.noted(f"wishes of {who}")) for who in _KEPT}

    async def run(self) -> None:
        """Live. What cannot be set right from here is raised; all else is said and tried again."""
        try:
            await together(
                self._count(),
                self._refresh(),
                self._bid(),
                self._hear(),
                self._steer(),
                self._obey(),
                self.outbox.run(),
            )
        finally:
            bids = [task for _, task in self._bidding.values()]
            for task in bids:
                task.cancel()
            await asyncio.gather(*bids, return_exceptions=True)

    # Wishes

    @property
    def wishes(self) -> Wishes:
        """What counts now, of all who may wish."""
        return any_wish(*self._wishes.values())

    def wishes_of(self, who: str) -> Wishes:
        """What somebody wishes."""
        return self._wishes.get(who, Wishes())

    def pause(self, who: str, paused: bool) -> None:
        """Take the wish to trade no more, or to trade again."""
        self.wish(who, replace(self.wishes_of(who), paused=paused))

    def wish(self, who: str, wishes: Wishes) -> None:
        """Take a wish; a pause takes back the bids that can still be taken back."""
        if self.wishes_of(who) == wishes:
            return
        before, was_kept = self.wishes, self.wishes.keep_storage_wh
        self._wishes[who] = wishes
        if who in _KEPT:
            self.book.note(f"wishes of {who}", written(wishes))
        now = self.wishes
        if now != before:
            self.lines.tell(
                "trading is paused" if now.paused else "trading goes on, within the household's limits"
            )
        if now.keep_storage_wh != was_kept:
            self._set_up()
        if now.paused and not before.paused:
            self._withdraw()

    def _withdraw(self) -> None:
        for period, task in list(self._bidding.values()):
            if self.calendar is None or self.clock.now() >= self.calendar.gate_s(period) - _MARGIN_S:
                continue
            if period.id in self._withdrawn:
                continue
            task.cancel()
            self._withdrawn.add(period.id)
            self._send(period, None)
            self.lines.tell(f"{self.calendar.local(period)} I take my bid back")

    async def _obey(self) -> None:
        """Read what residents wish at the services."""
        while True:
            for service in self.routes.services:
                try:
                    found = await service.wishes(self._settings.home)
                except (Refused, ClientError, OSError):
                    continue
                limits = found.limits
                self.wish(
                    "portal",
                    Wishes(
                        found.paused,
                        limits.buy_at_most_uaud_per_kwh,
                        limits.sell_at_least_uaud_per_kwh,
                        limits.keep_storage_wh,
                    ),
                )
                break
            await self.clock.sleep(15.0)

    # What the market is

    async def _refresh(self) -> None:
        while True:
            standing = await self._asked(lambda asks: asks.get_configuration())
            self._check_clock(standing)  # before the home waits for its registration
            registration = await self._registered()
            known = self._standing
            changed = known is None or known.configuration != standing.configuration
            if changed or registration != self._registration:
                self._standing, self._registration = standing, registration
                self.calendar = Calendar(standing.configuration)
                if changed:
                    self._cut_anew()
                self._set_up()
                if not self._ready.is_set():
                    self._say_what_waits()
                    self._ready.set()
            length_s = self.calendar.at(self.clock.now()).length_min * 60 if self.calendar else REFRESH_S
            await self.clock.sleep(min(REFRESH_S, max(60.0, length_s)))

    async def _registered(self) -> Home:
        """The registration, once the grid has confirmed it."""
        while True:
            home = await self._asked(lambda asks: asks.get_home(self._settings.home))
            if home.versions:
                self.lines.over(_REGISTRATION, "the home takes part in the market")
                return home
            self.lines.trouble(
                _REGISTRATION, "the grid has not confirmed this home yet; I count, and bid once it has"
            )
            await self.clock.sleep(10.0)

    async def _standing_now(self) -> tuple[Standing, float]:
        """The configuration, and by how much at least this machine's clock is off the market's."""
        asked_s = self.clock.now()

        async def timed(asks: Asks) -> Standing:
            nonlocal asked_s
            asked_s = self.clock.now()
            return await asks.get_configuration()

        standing = await self._asked(timed)
        return standing, max(0.0, asked_s - 1 - standing.now_s) + min(0.0, self.clock.now() - standing.now_s)

    def _check_clock(self, standing: Standing, off_s: float) -> None:
        times = standing.configuration.rules_of(int(standing.now_s // 60)).times
        if standing.configuration.clock == "live" and abs(off_s) > times.clock_error_s:
            self.lines.trouble(
                _OWN_CLOCK, f"this machine's clock is {off_s:+.0f} s off the market's; set it, as by NTP"
            )
        else:
            self.lines.over(_OWN_CLOCK, "this machine's clock agrees with the market's again")

    def _set_up(self) -> None:
        if self.calendar is None or self._registration is None:
            return
        now = self.calendar.at(self.clock.now())
        past = list(self.book.cuts_since(now.id - _PAST_DAYS * 1_440))
        self.trader = Trader(
            self._settings,
            self._registration,
            self.calendar,
            self.clock.now(),
            past,
            self.wishes.keep_storage_wh or 0,
        )
        for period_id, sold_wh in self.sold_wh.items():
            self.trader.awarded(self.calendar.at(period_id * 60), sold_wh)

    # Meter and readings

    async def _count(self) -> None:
        pause_s = _PAUSE_S
        while True:
            try:
                async for counted in self._meter.readings(self.book.last_count()):
                    self.lines.over(_METER, "the meter is back")
                    pause_s = _PAUSE_S
                    self._counted(counted)
                return  # a file that is read to its end
            except MeterFailed as error:
                self.lines.trouble(_METER, f"{error}; I try again")
            await self.clock.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _counted(self, counted: Counted) -> None:
        self._watch_for_gaps(counted)
        cuts = [] if self._cutter is None else list(self._cutter.add(counted))
        self.book.add(counted, cuts)
        for cut in cuts:
            self._cut(cut)

    def _watch_for_gaps(self, counted: Counted) -> None:
        last, self._last_s = self._last_s, counted.at_s
        if last is None or self.calendar is None:
            return
        silent_s = counted.at_s - last
        length_s = self.calendar.at(last).length_min * 60
        if silent_s > length_s:
            self.lines.trouble(
                _GAP,
                f"the meter counted nothing for {silent_s / 60:.0f} minutes, and a period has {length_s // 60}: "
                "there are no readings of that time; its registers tell the operator how much it was",
            )
        else:
            self.lines.over(_GAP, "the meter counts in time again")

    def _cut(self, cut: Cut) -> None:
        if self.trader is not None:
            if self.trader.lacks_battery and cut.battery_wh is not None:
                self._set_up()  # the meter says for the first time what the battery holds
            else:
                self.trader.metered(cut)
        self._say_reading(cut)

    def _cut_anew(self) -> None:
        """Cut what was counted since the last period that is known, by the calendar that is known now."""
        assert self.calendar is not None
        self._cutter = Cutter(self.calendar.at)
        last = self.book.last_cut()
        for counted in self.book.counts_since(0 if last is None else last.period.end_s):
            self.book.add(counted, list(self._cutter.add(counted)))

    def _say_what_waits(self) -> None:
        """Readings that were signed and have no last word, and periods of which nothing was said."""
        for compact in self._journal.messages():
            message = read(compact)
            if message.kind == A_READING and self.book.outcome(message.digest) is None:
                self.outbox.say(compact)
        assert self._registration is not None
        for cut in self.book.cuts_since(self._registration.versions[0].from_period):
            self._say_reading(cut)

    def _say_reading(self, cut: Cut) -> None:
        """Sign a period's reading once, on the disk before it is sent."""
        if self._settings.readings == "leave" or self._registration is None:
            return
        period = cut.period.id
        if not self._takes_part(period) or self._seq(A_READING, period):
            return
        self.outbox.say(
            self._author.reading(
                period,
                cut.import_wh,
                cut.export_wh,
                import_total_wh=cut.import_total_wh,
                export_total_wh=cut.export_total_wh,
            )
        )

    def _takes_part(self, period: int) -> bool:
        assert self._registration is not None
        registration = self._registration
        begins = registration.versions[0].from_period
        return begins <= period and (registration.to_period is None or period < registration.to_period)

    def _seq(self, kind: str, period: int) -> int:
        author = self._author
        return self._journal.highest_seq(author.net, author.channel, author.home, period, kind)

    # Bids

    async def _bid(self) -> None:
        """Bid for period after period, a while before each gate."""
        await self._ready.wait()
        assert self.calendar is not None
        period = self.calendar.at(self.clock.now())
        while True:
            calendar = self.calendar
            gate_s = calendar.gate_s(period)
            due_s = max(calendar.opens_s(period) + 1, gate_s - self._settings.bid_before_gate_s)
            if self.clock.now() < gate_s - _MARGIN_S:
                await self.clock.sleep_until(due_s)
                await self._bid_for(period)
            period = calendar.after(period)

    async def _bid_for(self, period: Period) -> None:
        trader = self.trader
        if trader is None or self.calendar is None:
            return
        if not self._takes_part(period.id):
            self.choices[period.id] = Choice(None, "the home does not take part yet")
        elif self._seq(BID, period.id):
            self._send_again(period)
        else:
            choice = trader.choose(period, self.wishes, await self._caps(period))
            self.choices[period.id] = choice
            if choice.bid is not None:
                self._send(period, choice.bid)
        while len(self.choices) > 1_000:
            del self.choices[next(iter(self.choices))]

    def _send(self, period: Period, bid: Bid | None) -> None:
        author = self._author
        if bid is None:
            compact = author.withdraw(period.id)
        elif bid.kind == REQUEST:
            compact = author.request(period.id, bid.energy_wh, bid.price_uaud_per_kwh)
        else:
            compact = author.offer(period.id, bid.energy_wh, bid.price_uaud_per_kwh)
        self._carry(period, compact)

    def _send_again(self, period: Period) -> None:
        """After a restart: the last bid that was signed, as long as nobody said what became of it."""
        mine = [one for one in self._journal.messages() if _is_bid(one, period.id)]
        if mine and self.book.outcome(read(mine[-1]).digest) is None:
            self._carry(period, mine[-1])
        self.choices[period.id] = Choice(None, "I bid before I was started again")

    def _carry(self, period: Period, compact: bytes) -> None:
        assert self.calendar is not None
        task = asyncio.create_task(self.outbox.bid(compact, self.calendar.gate_s(period)))
        self._bidding[period.id] = (period, task)

    async def _caps(self, period: Period) -> Caps:
        """What the envelopes allow; none is taken for no bound, for the clearing cuts what is beyond one."""
        try:
            found = await self.routes.ask(lambda asks: asks.get_envelopes(period.id, self.home))
            return found.caps or NO_CAPS
        except (Refused, NoWay):
            return NO_CAPS

    # Awards

    async def _hear(self) -> None:
        """Follow each period to its clearing, say what came of it, and have the battery keep what was sold."""
        await self._ready.wait()
        assert self.calendar is not None
        period = self.calendar.at(self.clock.now())
        while True:
            calendar = self.calendar
            await self.clock.sleep_until(calendar.clears_s(period))
            await self._cleared(period)
            period = calendar.after(period)

    async def _steer(self) -> None:
        """Have a battery that takes orders keep what was sold, period after period."""
        await self._ready.wait()
        assert self.calendar is not None
        if not isinstance(self._meter, Steered) or self._settings.battery is None:
            return
        period = self.calendar.after(self.calendar.at(self.clock.now()))
        while True:
            await self.clock.sleep_until(period.start_s)
            sold_wh = self.sold_wh.get(period.id, 0)
            await self._meter.hold_export(period.mean_w(sold_wh) if sold_wh else None)
            period = self.calendar.after(period)

    async def _cleared(self, period: Period) -> None:
        assert self.calendar is not None
        award: PeriodAwards | None = None
        while self.clock.now() < period.start_s and award is None:
            if period.id not in self._bidding:
                break
            award = await self._award(period)
            if award is None:
                await self.clock.sleep(max(1.0, period.length_min / 2))
        if period.id in self._bidding and award is None:
            award = await self._award(period)
        bid = self._bidding.pop(period.id, None)
        self._withdrawn.discard(period.id)
        if bid is not None and bid[1].done() and not bid[1].cancelled():
            bid[1].result()  # what no later try mends, as a full disk, ends the agent
        choice = self.choices.get(period.id)
        if choice is None:
            return
        mine = None if award is None else next((a for a in award.awards if a.home == self._author.home), None)
        sold_wh = 0 if mine is None else mine.sold_wh
        if sold_wh:
            self.sold_wh[period.id] = sold_wh
            if self.trader is not None:
                self.trader.awarded(period, sold_wh)
        line = f"{words(choice.bid)}: {choice.reason}"
        if bid is not None:
            line += f"; {_outcome(award, mine)}"
        self.lines.tell(f"{self.calendar.local(period)} {line}")
        price = None if award is None else award.price_uaud_per_kwh
        bought_wh = 0 if mine is None else mine.bought_wh
        code = "not_cleared" if bid is not None and award is None else "" if mine is None else mine.code
        self.book.add_trade(Trade(period.id, bought_wh, sold_wh, price, code, line))
        for old in [one for one in self.sold_wh if one < period.id - 1_440]:
            del self.sold_wh[old]

    async def _award(self, period: Period) -> PeriodAwards | None:
        try:
            found = await self.routes.ask(
                lambda asks: asks.list_awards(period.id, period.id + period.length_min, self._author.home)
            )
        except (Refused, NoWay):
            return None
        return next((one for one in found if one.period == period.id), None)

    async def _asked(self, question: Callable[[Asks], Awaitable[Answer]]) -> Answer:
        pause_s = _PAUSE_S
        while True:
            try:
                answer = await self.routes.ask(question)
            except Refused as refused:
                self._refused(refused)
                await self.clock.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            except NoWay as error:
                self.lines.trouble(_QUESTIONS, f"no way to the market: {error}; I count, and ask again")
                await self.clock.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                self.lines.over(_QUESTIONS, "the market answers questions again")
                self.lines.over(CLOCK, "the market takes this machine's clock again")
                return answer

    def _refused(self, refused: Refused) -> None:
        if refused.code == "clock_differs":
            self.lines.trouble(CLOCK, CLOCK_DIFFERS)
        else:
            self.lines.trouble(
                _QUESTIONS,
                f"the market does not answer this home: {refused}; its operator registers it and sets its key",
            )


def _is_bid(compact: bytes, period: int) -> bool:
    message = read(compact)
    return message.kind == BID and message.period == period


def _outcome(award: PeriodAwards | None, mine: Award | None) -> str:
    if award is None:
        return "the market was not cleared in time, so the grid does it all"
    if mine is None:
        return "my bid did not reach the market in time"
    if mine.code:
        return f"the market refused it: {mine.code}"
    if not mine.bought_wh and not mine.sold_wh:
        return "nobody traded with me"
    assert award.price_uaud_per_kwh is not None
    price = cents(award.price_uaud_per_kwh)
    return (
        f"bought {mine.bought_wh} Wh at {price}" if mine.bought_wh else f"sold {mine.sold_wh} Wh at {price}"
    )
