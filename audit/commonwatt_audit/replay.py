# SPDX-License-Identifier: Apache-2.0
"""The replay itself: every transaction of the contract, one after another, against the rules."""

from collections.abc import Callable

from commonwatt_audit import administration, bids, bills, metering, rounds
from commonwatt_audit.exchange import replay as exchange
from commonwatt_audit.forward.replay import CONTRACT, UNREADABLE, ForwardReplay
from commonwatt_audit.world import Difference, Recorded, World, Writes, compare, require

_RULES: dict[str, Callable[[World, Recorded], Writes]] = {
    "configure": administration.configure,
    "register_home": administration.register_home,
    "advance_clock": administration.advance_clock,
    "open_round": rounds.open_round,
    "close_round": rounds.close_round,
    "submit_request": bids.submit_request,
    "cancel_request": bids.cancel_request,
    "submit_offer": bids.submit_offer,
    "withdraw_offer": bids.withdraw_offer,
    "settle_interval": metering.settle_interval,
    "report_reading": metering.report_reading,
    "correct_reading": metering.correct_reading,
    "settle_day": bills.settle_day,
}


class Replay:
    """A channel's market as its transactions leave it, by the rules alone."""

    def __init__(self) -> None:
        self.world = World()
        self.forward = ForwardReplay()
        self.exchange = exchange.ExchangeReplay()

    def check(self, recorded: Recorded) -> None:
        """Compute what a transaction writes and compare. Raises Difference; the state is then undefined."""
        if recorded.function.startswith(exchange.CONTRACT):
            require(
                not self.forward.begun and self.world.get("community") is None,
                "the channel is a community's, and no exchange",
            )
            self.exchange.check(recorded)
            return
        require(not (self.exchange.begun and recorded.writes), "the channel is an exchange")
        if recorded.policies:
            raise Difference(
                f"it gives {next(iter(recorded.policies))} an endorsement policy of its own, and no rule does"
            )
        if recorded.function.startswith(CONTRACT):
            require(self.world.get("community") is None, "the channel's market is ex_post")
            self.forward.check(recorded)
            return
        require(not (self.forward.begun and recorded.writes), "the channel's market is forward")
        require(not recorded.hashed, "it writes private values, and no rule of this market does")
        rule = _RULES.get(recorded.function.rpartition(":")[2])
        if rule is None:
            if recorded.writes:
                raise Difference(
                    f"it writes {next(iter(recorded.writes))}, and no rule knows {recorded.function!r}"
                )
            return
        try:
            writes = rule(self.world, recorded)
        except UNREADABLE as error:
            raise Difference(f"the rules refuse it: {error}") from error
        compare(writes, recorded.writes)
        self.world.apply(writes)
