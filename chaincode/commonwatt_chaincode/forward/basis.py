# SPDX-License-Identifier: Apache-2.0
"""What a frozen version rests on: the whole of it where its plan is still to be written, then each part's own homes."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from ..market.forward.bids import Connection
from ..market.forward.gates import gate_s
from ..market.forward.outside import Outside
from ..market.forward.period_settlement import FrozenPeriod
from ..market.forward.period_settlement import plan as plan_of_all
from ..market.forward.periods import Period
from ..market.forward.readings import Reading
from ..market.forward.settlement import Terms
from ..market.forward.sharing import STATIC, SharingPlan
from ..shim import Stub
from . import keys
from .kept import kept
from .planning import connections_of, put_plan, sharing_of
from .readings import reading_of, standing_readings
from .records import Awards, Cleared, Meter, Plan, decode
from .registry import Registry
from .state import Indexed, Situation, envelopes_of, sharing_keys_of


class Traded(NamedTuple):
    """What was traded before a period: within the community (None if it is not cleared) and outside, by home."""

    cleared: Cleared | None
    outside: Mapping[str, Outside]


class Basis(NamedTuple):
    """What the lines of some homes rest on: all readings of theirs, and the sharing among all homes."""

    homes: Sequence[str]
    frozen: FrozenPeriod
    said: Sequence[Indexed]
    sharing: SharingPlan


async def planned(
    stub: Stub,
    now: Situation,
    period: Period,
    meter: Meter,
    traded: Traded,
    registry: Registry,
    part: int,
) -> Basis:
    """What the first part of a version rests on: everything. Where others follow, their plan is written."""
    parts = registry.parts(period.id)
    frozen, said = await _frozen(stub, now, period, meter, traded, registry.connections(period.id))
    sharing = plan_of_all(frozen)
    if len(parts) > 1:
        await put_plan(stub, frozen, parts, said, sharing)
    return Basis(parts[part], frozen, said, sharing)


async def by_plan(
    stub: Stub, now: Situation, period: Period, meter: Meter, traded: Traded, plan: Plan, part: int
) -> Basis:
    """What a further part rests on: what its own homes said, and the plan."""
    connections = await connections_of(stub, plan, part, period)
    frozen, said = await _frozen(stub, now, period, meter, traded, connections)
    return Basis(tuple(connections), frozen, said, await sharing_of(stub, plan))


async def _frozen(
    stub: Stub,
    now: Situation,
    period: Period,
    meter: Meter,
    traded: Traded,
    connections: Mapping[str, Connection],
) -> tuple[FrozenPeriod, Sequence[Indexed]]:
    """The frozen version as far as it is about some homes, in their order, and the messages of their readings."""
    said = await standing_readings(stub, period, connections, meter.version, meter.final_version)
    tariff, rules = now.tariff(period), now.rules(period)
    cleared = traded.cleared
    price = cleared.price_uaud_per_kwh if cleared else None  # none where nobody cleared the period
    awarded_wh = await _awarded_wh(stub, period) if cleared else {}
    frozen = FrozenPeriod(
        period,
        meter.version,
        meter.final_version,
        Terms(tariff.prices, price, rules.sharing, tariff.band.sharing_price),
        gate_s(period, rules.times),
        now.configuration.offsets,
        rules.estimate_w,
        connections,
        awarded_wh,
        _by_home(map(reading_of, said)),
        await envelopes_of(stub, period, tuple(connections)),
        await sharing_keys_of(stub, period) if rules.sharing == STATIC else {},
        traded.outside,
    )
    return frozen, said


async def _awarded_wh(stub: Stub, period: Period) -> dict[str, tuple[int, int]]:
    (one,) = await kept(stub, [keys.awards_key(period.id)])
    return _awards(one.checked())  # they are written once, so that there is no other value


@lru_cache(maxsize=2)
def _awards(value: bytes) -> dict[str, tuple[int, int]]:
    """What homes bought and sold; the parts of a settlement read the same value."""
    return {
        one.home: (one.bought_wh, one.sold_wh)
        for one in decode(Awards, value).awards
        if one.bought_wh or one.sold_wh
    }


def _by_home(readings: Iterable[Reading]) -> dict[str, list[Reading]]:
    found: dict[str, list[Reading]] = {}
    for reading in readings:
        found.setdefault(reading.home, []).append(reading)
    return found
