# SPDX-License-Identifier: Apache-2.0
"""The linear program of a battery: what to store, to use and to sell in the hours to come, at least cost.

For each period t, with net use n (use less generation) in Wh and all prices per Wh::

    minimise   sum over t of  tou x (n+ - own) - price x (n- - charged + sold) + wear x (own + sold)  -  worth x e_end
    where      e_t+1 = e_t + eta_c x charged - (own + sold) / eta_d,     floor <= e <= full,
               own <= n+,  charged <= n-,  charged <= rate,  own + sold <= rate

The battery charges from the home's surplus alone. HiGHS solves it, through `scipy.optimize.linprog`.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from commonwatt_chaincode.market.arithmetic import PPM
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csc_array, hstack, identity

from commonwatt_community.hems.forward.connection_point import Store

_UAUD = 1e-6
_SOONER = 1e-5
"""In AUD per kWh and period: of two sales that bring the same, the sooner one is surer."""


class Path(NamedTuple):
    """What the battery does in each period, in Wh. It takes from the surplus, gives to the home and sells; then its
    content; then what it withholds from the home, which the grid supplies.
    """

    charged: NDArray[np.float64]
    own: NDArray[np.float64]
    sold: NDArray[np.float64]
    energy: NDArray[np.float64]
    held_back: NDArray[np.float64]


def cheapest_path(
    store: Store,
    energy_wh: int,
    rates_wh: Sequence[int],
    expected_wh: Sequence[int],
    prices: Sequence[int],
    tous: Sequence[int],
    wear: int,
    worth: int,
    *,
    sales_take_time: bool = True,
    buying_fees: Sequence[int] = (),
) -> Path | None:
    """The path of least cost, or None where the solver finds none.

    `rates_wh` bound what moves in each period. All prices are in µAUD per kWh: `prices` is what a sale brings, `tous`
    what the grid takes. `wear` is the cost of a delivered kWh, `worth` the value of a stored one at the end.

    `sales_take_time`: they are delivered in their own period, with what the home uses; otherwise rated power bounds no
    sale. `buying_fees` come on top of the price of all that is charged: for a battery that buys what it stores.
    """
    count = len(expected_wh)
    net = np.asarray(expected_wh, dtype=float)
    rates = np.asarray(rates_wh, dtype=float)
    price = np.asarray(prices, dtype=float) * _UAUD - _SOONER * np.arange(count)
    tou = np.asarray(tous, dtype=float) * _UAUD
    ageing = wear * _UAUD
    ends = np.zeros(count)
    ends[-1] = -worth * _UAUD
    fees = np.asarray(buying_fees, dtype=float) * _UAUD if buying_fees else 0.0
    cost = np.concatenate([price + fees, ageing - tou, ageing - price, ends])
    lacking, surplus = np.maximum(net, 0.0), np.maximum(-net, 0.0)
    sales = rates if sales_take_time else np.full(count, float(store.full_wh))
    most = np.concatenate(
        [np.minimum(surplus, rates), np.minimum(lacking, rates), sales, np.full(count, float(store.full_wh))]
    )
    least = np.concatenate([np.zeros(3 * count), np.full(count, float(store.floor_wh))])
    begins = np.zeros(count)
    begins[0] = energy_wh
    contents, powers = _matrices(count, store.eta_c_ppm, store.eta_d_ppm)
    found = linprog(
        cost,
        A_ub=powers if sales_take_time else None,
        b_ub=rates if sales_take_time else None,
        A_eq=contents,
        b_eq=begins,
        bounds=np.column_stack([least, most]),
        method="highs",
    )
    if not found.success:
        return None
    charged, own, sold, energy = np.split(found.x, 4)
    before = np.concatenate([[energy_wh], energy[:-1]])
    able = np.minimum(most[count : 2 * count], (before - store.floor_wh) * (store.eta_d_ppm / PPM))
    return Path(charged, own, sold, energy, able - own)


@lru_cache(maxsize=64)
def _matrices(count: int, eta_c_ppm: int, eta_d_ppm: int) -> tuple[csc_array, csc_array]:
    """How contents follow from what moves, and what rated power bounds."""
    one = identity(count, format="csc")
    before = csc_array(np.eye(count, k=-1))
    nothing = csc_array((count, count))
    contents = hstack(
        [one * (-eta_c_ppm / PPM), one * (PPM / eta_d_ppm), one * (PPM / eta_d_ppm), one - before]
    )
    powers = hstack([nothing, one, one, nothing])
    return csc_array(contents), csc_array(powers)
