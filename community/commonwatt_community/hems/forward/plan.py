# SPDX-License-Identifier: Apache-2.0
"""Battery plans: the energy that a home may export in a period beyond its exports without a market.

Each plan begins with the period without a market: generation serves the home, the battery stores what is left and
serves the home later. A home that must import then asks for that. Any other may sell: its surplus, and what its plan
lets the battery give.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from commonwatt_chaincode.market.arithmetic import PPM
from commonwatt_chaincode.market.forward.prices import Prices

from commonwatt_community.hems.forward.connection_point import Store, flow


class Plan(NamedTuple):
    """What a home expects of a period: its import, or else its export; ``from_battery_wh`` of it is the battery's.

    The battery gives nothing below ``keep_wh`` in this period: it keeps that for a dearer one.
    """

    import_wh: int
    export_wh: int
    from_battery_wh: int
    keep_wh: int = 0


Planner = Callable[[Store, int, Sequence[int], Sequence[int]], Plan]
"""From the battery, its content when the period begins, and the net use and the market's price expected of this period
and those after it.
"""


@runtime_checkable
class TariffPlanner(Protocol):
    """A plan that also looks at what the grid takes and pays in these periods."""

    def __call__(
        self, store: Store, energy_wh: int, expected_wh: Sequence[int], prices: Sequence[int], /
    ) -> Plan: ...

    def by_tariff(
        self,
        store: Store,
        energy_wh: int,
        expected_wh: Sequence[int],
        prices: Sequence[int],
        tariffs: Sequence[Prices],
        period_min: int,
    ) -> Plan: ...


def own_use(store: Store, energy_wh: int, expected_wh: Sequence[int], prices: Sequence[int]) -> Plan:
    """The battery serves its own home alone; the home sells the surplus that finds no room."""
    expected = flow(store, energy_wh, expected_wh[0])
    return Plan(expected.import_wh, expected.export_wh, 0)


def sell_all(store: Store, energy_wh: int, expected_wh: Sequence[int], prices: Sequence[int]) -> Plan:
    """The home sells all that it does not use in the period itself, and buys later what it then lacks."""
    expected = flow(store, energy_wh, expected_wh[0])
    if expected.import_wh:
        return Plan(expected.import_wh, 0, 0)
    most_wh = _most_wh(store, energy_wh, expected_wh[0])
    return Plan(0, most_wh, most_wh - expected.export_wh)


def reserve(store: Store, energy_wh: int, expected_wh: Sequence[int], prices: Sequence[int]) -> Plan:
    """The home sells from its battery what a later surplus will replace, so that it buys not one Wh more by that.

    It is poorer after this period by at most what it can spare of the periods after it. It keeps what it can sell
    better when the surplus comes.
    """
    net_wh = expected_wh[0]
    expected = flow(store, energy_wh, net_wh)
    if expected.import_wh:
        return Plan(expected.import_wh, 0, 0)
    spare = spare_wh(store, expected.energy_wh, expected_wh[1:], prices[1:], prices[0])
    charged_wh = expected.energy_wh - energy_wh
    if charged_wh <= 0:
        given_wh = spare * store.eta_d_ppm // PPM
    elif spare <= charged_wh:
        given_wh = spare * PPM // store.eta_c_ppm
    else:
        given_wh = -net_wh - expected.export_wh + (spare - charged_wh) * store.eta_d_ppm // PPM
    export_wh = min(expected.export_wh + given_wh, _most_wh(store, energy_wh, net_wh))
    while (
        export_wh > expected.export_wh
        and expected.energy_wh - flow(store, energy_wh, net_wh, export_wh).energy_wh > spare
    ):
        export_wh -= 1  # losses round: a step or two
    return Plan(0, export_wh, export_wh - expected.export_wh)


def spare_wh(
    store: Store,
    energy_wh: int,
    expected_wh: Sequence[int],
    prices: Sequence[int] = (),
    price: int = 0,
) -> int:
    """What the battery can be poorer by without one Wh more from the grid in the periods that are expected.

    Without a market the poorer battery buys more exactly where it runs empty, unless a surplus that the other must
    export has made up for the difference before. A surplus that is worth more than `price` makes up for nothing;
    without `prices` every surplus does. A difference that is left at the end counts as spared.
    """
    floor_wh, full_wh, rate_wh, eta_c_ppm, eta_d_ppm = store
    lossless = store.lossless
    spare = energy_wh - floor_wh
    made_up_wh = 0
    for place, net_wh in enumerate(expected_wh):
        if net_wh < 0:
            possible_wh = min(-net_wh, rate_wh)
            if lossless:
                taken_wh = min(possible_wh, full_wh - energy_wh)
                energy_wh += taken_wh
                left_wh = possible_wh - taken_wh
            else:
                before_wh = energy_wh
                taken_wh = min(possible_wh, (full_wh - energy_wh) * PPM // eta_c_ppm)
                energy_wh += taken_wh * eta_c_ppm // PPM
                # A battery below the other may round down where that one does not.
                left_wh = possible_wh * eta_c_ppm // PPM - 1 - (energy_wh - before_wh)
            if left_wh > 0:
                if prices and prices[place] > price:
                    return min(spare, made_up_wh)
                made_up_wh += left_wh
                if made_up_wh >= spare:
                    return spare
        elif net_wh:
            if lossless:
                energy_wh -= min(net_wh, rate_wh, energy_wh - floor_wh)
            else:
                own_wh = min(net_wh, rate_wh, (energy_wh - floor_wh) * eta_d_ppm // PPM)
                energy_wh += -own_wh * PPM // eta_d_ppm
            left_wh = energy_wh - floor_wh + made_up_wh
            if left_wh < spare:
                spare = left_wh
                if made_up_wh >= spare:
                    return spare
    return spare


def _most_wh(store: Store, energy_wh: int, net_wh: int) -> int:
    """The most that the home can export in a period in which it need not import."""
    return min((energy_wh - store.floor_wh) * store.eta_d_ppm // PPM, store.rate_wh) - net_wh


PLANS: dict[str, Planner] = {"reserve": reserve, "sell-all": sell_all, "none": own_use}
