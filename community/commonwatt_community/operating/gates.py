# SPDX-License-Identifier: Apache-2.0
"""The operator's first chore: close each gate in time, and clear before the period begins."""

from commonwatt_chaincode.market.forward.gates import closes_from_s
from commonwatt_chaincode.market.forward.periods import Period
from commonwatt_chaincode.market.tariff import MINUTE_S

from commonwatt_community.market.refused import DATA_NOT_HERE, Refused

from .cut_off import CutOff
from .due import Community, gates_due
from .reading import Ledger, local_time
from .steps import Clear, CloseGate
from .telling import Alarm, Telling

OTHERS_WERE_FASTER = frozenset({"already_cleared", "already_frozen"})
LATE_S = 15
"""A gate that closes so long after its time is late."""


class Gates:
    """Closes and clears; of each period that began without, it raises an alarm.

    `cut_off`: of a community that trades on an exchange. A period that is cleared while the exchange is away stays at
    home.
    """

    def __init__(self, ledger: Ledger, telling: Telling, cut_off: CutOff | None = None) -> None:
        self._ledger = ledger
        self._telling = telling
        self._cut_off = cut_off

    async def run(self) -> int | None:
        """Do what is due; the market time at which there is more.

        Raises:
            Refused, GatewayError: the contract or the network refused what should have been taken.
        """
        community, now_s = await self._ledger.community()
        running = community.period_at(now_s)
        last_s = now_s + max(one.times.closes_before_s for one in community.configuration.rules)
        listed = await self._ledger.listed(running.id, last_s // MINUTE_S + 1)
        standing = listed.get(running.id)
        if community.members(running.id) and (standing is None or standing.cleared is None):
            self._telling.alarm(
                Alarm(
                    "late_gate",
                    f"period {local_time(community, running)} began and was not cleared: it is settled without "
                    "contracts",
                    now_s,
                    running.id,
                )
            )
        due = gates_due(community, listed, now_s)
        for step in due.steps:
            if isinstance(step, CloseGate):
                await self._close(community, step)
            elif isinstance(step, Clear):
                await self._clear(community, now_s, step)
        return due.next_s

    async def _close(self, community: Community, step: CloseGate) -> None:
        period = community.period_at(step.period * MINUTE_S)
        gate = await self._ledger.market.close_gate(step.period)
        late_s = gate.at_s - closes_from_s(period, community.configuration.rules_of(period.id).times, True)
        self._telling.gauges["gate_late_s"] = late_s
        self._telling.did("close_gate", f"{local_time(community, period)}: the gate is closed")
        if late_s > LATE_S:
            self._telling.alarm(
                Alarm(
                    "late_gate",
                    f"the gate of period {local_time(community, period)} was closed {late_s} s late",
                    gate.at_s,
                    period.id,
                )
            )

    async def _clear(self, community: Community, now_s: int, step: Clear) -> None:
        period = community.period_at(step.period * MINUTE_S)
        when = local_time(community, period)
        alone = await self._alone(community, now_s, period)
        try:
            cleared = await self._ledger.market.clear_period(step.period, alone=alone)
        except Refused as refused:
            if refused.code in OTHERS_WERE_FASTER:
                return
            if refused.code not in ("too_late", DATA_NOT_HERE):
                raise
            self._telling.alarm(
                Alarm(
                    "not_cleared", f"period {when} could not be cleared: {refused}", period.start_s, period.id
                )
            )
            return
        price = cleared.price_uaud_per_kwh
        at = "nothing trades" if price is None else f"{cleared.traded_wh:,} Wh at {price / 10_000:.2f} c/kWh"
        self._telling.did(
            "clear_period", f"{when}: cleared, {at} ({cleared.requests} requests, {cleared.offers} offers)"
        )
        if cleared.refused:
            self._telling.alarm(
                Alarm(
                    "refused_bids",
                    f"{cleared.refused} bids for period {when} were refused at clearing; `list_awards` names why",
                    period.start_s,
                    period.id,
                )
            )

    async def _alone(self, community: Community, now_s: int, period: Period) -> bool:
        """Whether nothing of a period goes to the exchange."""
        if self._cut_off is None or community.configuration.rules_of(period.id).exchange is None:
            return False
        return await self._cut_off.clears_alone(now_s)
