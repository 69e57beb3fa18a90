# SPDX-License-Identifier: Apache-2.0
"""Who lives in a community: which homes have PV, and whose traces they follow (the paper's random
assignment).
"""

from commonwatt_community.hems.draws import Draws
from commonwatt_community.hems.energy import Silent
from commonwatt_community.hems.home import HomeSpec

from commonwatt_loadgen.traces.sources import TraceSet


def make_community(
    traces: TraceSet,
    home_ids: list[str],
    *,
    prosumer_share_ppm: int,
    storage_wh: int,
    seed: int,
    strategies: list[str] | None = None,
) -> list[HomeSpec]:
    """Draw a community: a share of the homes, rounded half up, gets PV and a battery; each home draws its
    types.

    Strategies are dealt out in turn, first to the prosumers, then to the consumers.

    Raises:
        ValueError: prosumers are wanted but no trace has generation.
    """
    names = strategies or ["suggested"]
    prosumers = (len(home_ids) * prosumer_share_ppm + 500_000) // 1_000_000
    usages, generations = sorted(traces.usage), sorted(traces.generation)
    if prosumers and not generations:
        raise ValueError(
            f"{traces.source}: no home has generation, so none can have PV (--share 0 needs none)"
        )
    chosen = set(Draws(seed, "prosumers").choice(len(home_ids), prosumers))
    draws = Draws(seed, "types")
    homes = []
    dealt = {True: 0, False: 0}
    for index, home in enumerate(home_ids):
        prosumer = index in chosen
        usage_type = usages[draws.within(0, len(usages) - 1, index, 0)]
        generation_type = generations[draws.within(0, len(generations) - 1, index, 1)] if prosumer else ""
        homes.append(
            HomeSpec(
                home=home,
                prosumer=prosumer,
                usage_type=usage_type,
                generation_type=generation_type,
                usage=traces.usage[usage_type],
                generation=traces.generation[generation_type] if prosumer else Silent(),
                pv_w=traces.pv_w if prosumer else 0,
                storage_wh=storage_wh if prosumer else 0,
                strategy=names[dealt[prosumer] % len(names)],
            )
        )
        dealt[prosumer] += 1
    return homes
