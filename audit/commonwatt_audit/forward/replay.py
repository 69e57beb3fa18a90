# SPDX-License-Identifier: Apache-2.0
"""The replay of the forward market: every transaction against the rules, and what was noticed on the way."""

from collections.abc import Callable

from commonwatt_audit.world import Difference, Recorded

from . import (
    billing,
    carbon,
    configuring,
    freezing,
    gap_settling,
    gates,
    importing,
    key_changes,
    publishing,
    purging,
    registering,
    settling,
    submitting,
)
from .anomalies import Anomalies, Kind
from .deliveries import Deliveries
from .ledger import Ledger, Outcome, check_shown
from .situation import CONFIGURATION, situation
from .times import gate_s

CONTRACT = "forward:"
UNREADABLE = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RecursionError,
)
"""What rules raise on arguments and records that the contract takes and writes never."""


class ForwardReplay:
    """A channel's forward market as its transactions leave it, by the audit's own rules alone."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.anomalies = Anomalies()
        self.speech = submitting.Speech()
        self.deliveries: Deliveries | None = None
        """Set by one who has receipts to judge."""
        self._last_gate: tuple[int, int] = (0, 0)

    def check(self, recorded: Recorded) -> None:
        """Compute what a transaction writes and compare. Raises Difference; the state is then undefined."""
        name = recorded.function.removeprefix(CONTRACT)
        self._note_window(recorded)
        check_shown(recorded)
        rule = _RULES.get(name)
        try:
            if name == purging.FORGET:
                purging.forget_home(self.ledger, recorded, self.anomalies)
            elif rule is not None:
                self.ledger.check(recorded, rule(self, recorded))
            elif recorded.writes or recorded.hashed:
                raise Difference(f"it writes, and no rule knows {recorded.function[:80]!r}")
        except UNREADABLE as error:
            raise Difference(f"the rules refuse it: {type(error).__name__} {error}") from error
        if self.deliveries is not None:
            self.deliveries.note(recorded, self.ledger)
        if name == "close_gate" and recorded.writes:
            self._remember_gate(recorded)

    @property
    def begun(self) -> bool:
        """Whether the channel's market is this one."""
        return self.ledger.get(CONFIGURATION) is not None

    def _remember_gate(self, recorded: Recorded) -> None:
        """The gate's own time: clocks of others show afterwards whether it was closed before it."""
        now = situation(self.ledger, recorded)
        period = now.period(recorded.argument["period"])
        self._last_gate = max(self._last_gate, (gate_s(period, now.times(period)), period.start_min))

    def _note_window(self, recorded: Recorded) -> None:
        """A later transaction that was dated before a gate that is closed: one of the two clocks was wrong."""
        last_s, period = self._last_gate
        if recorded.timestamp_s < last_s and self.ledger.get(CONFIGURATION)["clock"] == "live":
            words = f"{recorded.function} came behind the closed gate {last_s - recorded.timestamp_s} s before its time"
            self.anomalies.notice(Kind.SHORT_WINDOW, "community", period, words)


_Rule = Callable[[ForwardReplay, Recorded], Outcome]
_RULES: dict[str, _Rule] = {
    "configure": lambda it, one: configuring.configure(it.ledger, one),
    "advance_clock": lambda it, one: configuring.advance_clock(it.ledger, one),
    "register_home": lambda it, one: registering.register_home(it.ledger, one),
    "confirm_home": lambda it, one: registering.confirm_home(it.ledger, one),
    "end_home": lambda it, one: registering.end_home(it.ledger, one),
    "set_key": lambda it, one: key_changes.set_key(it.ledger, one),
    "set_carrier_key": lambda it, one: key_changes.set_carrier_key(it.ledger, one),
    "propose_key": lambda it, one: key_changes.propose_key(it.ledger, one),
    "confirm_key": lambda it, one: key_changes.confirm_key(it.ledger, one),
    "submit_messages": lambda it, one: submitting.submit_messages(it.ledger, one, it.speech, it.anomalies),
    "close_gate": lambda it, one: gates.close_gate(it.ledger, one),
    "clear_period": lambda it, one: gates.clear_period(it.ledger, one, it.anomalies),
    "import_residual": lambda it, one: importing.import_residual(it.ledger, one),
    "freeze_period": lambda it, one: freezing.freeze_period(it.ledger, one),
    "settle_period": lambda it, one: settling.settle_period(it.ledger, one, it.anomalies),
    "settle_gap": lambda it, one: gap_settling.settle_gap(it.ledger, one, it.anomalies),
    "settle_carbon": lambda it, one: carbon.settle_carbon(it.ledger, one),
    "settle_day": lambda it, one: billing.settle_day(it.ledger, one),
    "set_envelope": lambda it, one: publishing.set_envelope(it.ledger, one),
    "set_intensity": lambda it, one: carbon.set_intensity(it.ledger, one),
    "set_sharing_keys": lambda it, one: publishing.set_sharing_keys(it.ledger, one),
    "report_feeder": lambda it, one: publishing.report_feeder(it.ledger, one, it.anomalies),
    "declare_lost": lambda it, one: publishing.declare_lost(it.ledger, one, it.anomalies),
}
