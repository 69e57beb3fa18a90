# SPDX-License-Identifier: Apache-2.0
"""The environments pass the checks of Gymnasium and PettingZoo, and step the market that a simulation lives."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from commonwatt_client.exit_codes import UsageError
from commonwatt_loadgen.environment import CommonwattEnv, CommonwattParallelEnv
from commonwatt_loadgen.environment.acting import ActingAgent, Action
from commonwatt_loadgen.environment.neighbourhood import DEFAULT, Neighbourhood
from commonwatt_loadgen.environment.observing import OBSERVED
from commonwatt_loadgen.environment.one_home import ID
from commonwatt_loadgen.environment.spaces import action_of
from commonwatt_loadgen.forward.agreement import rules_of
from commonwatt_loadgen.forward.community import agents_of, in_process
from commonwatt_loadgen.forward.engine import live
from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.forward.steps import Steps
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.people import draw_homes
from commonwatt_loadgen.traces import default_types
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import parallel_api_test, parallel_seed_test

SHORT = ForwardOptions(run=SimulationOptions(homes=4, share_percent=50, noise_percent=20), period=60)
IDLE = np.array([0, -1], dtype=np.float32)


def test_one_home_passes_gymnasiums_check():
    check_env(gymnasium.make(ID, options=SHORT).unwrapped)


def test_many_homes_pass_pettingzoos_checks():
    parallel_api_test(CommonwattParallelEnv(SHORT), num_cycles=60)
    parallel_seed_test(lambda: CommonwattParallelEnv(SHORT), num_cycles=30)


def test_steps_are_those_of_a_simulation_to_the_naud():
    """Bids, awards, readings, settlements and bills, with forecasts that err and clocks that change."""
    options = ForwardOptions(
        run=SimulationOptions(homes=6, days=2, share_percent=50, forecast="yesterday", noise_percent=20),
        period=60,
        clock_zone="Australia/Sydney",
    )
    traces = default_types(options.run.usage_scale_ppm)
    names = [f"home{number:03d}" for number in range(1, 7)]
    rules = rules_of(options, names, traces.first_day)

    def founded():
        agents = agents_of(options, draw_homes(options.run, names, traces, 1), rules)
        return in_process(rules, agents), agents

    async def simulated():
        market, agents = founded()
        return [day async for day in live(market, rules, agents, options.run.days)]

    days = asyncio.run(simulated())
    market, agents = founded()
    steps = Steps(market, rules, agents, options.run.days)
    records = []
    while not steps.over:
        records += steps.step().settled
    assert records == [record for day in days for record in day.periods]
    assert steps.bills == [day.bills for day in days]


def episode(env, act, seed=7):
    """Rewards and infos of an episode, and the last observation."""
    seen, _ = env.reset(seed=seed)
    rewards, infos, over = [], [], False
    while not over:
        seen, reward, ended, over, info = env.step(act(seen))
        assert not ended, "the market goes on"
        rewards.append(reward)
        infos.append(info)
    return rewards, infos, seen


def test_rewards_are_what_the_home_saves_and_no_money_is_lost():
    env = CommonwattParallelEnv(SHORT, community_seed=3)
    env.reset(seed=1)
    paid, saved = dict.fromkeys(env.agents, 0), dict.fromkeys(env.agents, 0.0)
    without = dict.fromkeys(env.agents, 0)
    episode = env._episode
    while env.agents:
        _, rewards, _, _, infos = env.step({home: np.array([0.4, -0.5]) for home in env.agents})
        for home, reward in rewards.items():
            paid[home] += infos[home]["amount_naud"]
            without[home] += infos[home]["without_naud"]
            saved[home] += reward
    [bills] = episode.steps.bills
    assert paid == {home: bill.amount_naud for home, bill in bills.items()}
    for home in paid:
        assert saved[home] == pytest.approx((without[home] - paid[home]) / 1e9)
    assert len(set(paid.values())) > 1


def test_equal_seeds_begin_equal_episodes_and_actions_count():
    def sells(_):
        return np.array([1, -1], dtype=np.float32)

    first, again = episode(CommonwattEnv(SHORT), sells), episode(CommonwattEnv(SHORT), sells)
    assert first[0] == again[0]
    assert first[1] == again[1]
    assert len(first[0]) == 24
    other = episode(CommonwattEnv(SHORT), sells, seed=8)
    assert first[1] != other[1]
    idle = episode(CommonwattEnv(SHORT), lambda _: IDLE)
    assert sum(one["amount_naud"] for one in idle[1]) != sum(one["amount_naud"] for one in first[1])
    assert sum(one["without_naud"] for one in idle[1]) == sum(one["without_naud"] for one in first[1])
    env = CommonwattEnv(SHORT, community_seed=5)
    for seed in (1, 2):
        _, info = env.reset(seed=seed)
        assert info["community_seed"] == 5


def test_a_reluctant_home_trades_nothing():
    def refuses(_):
        return np.array([1, 1], dtype=np.float32)

    options = ForwardOptions(run=SHORT.run, period=60, sharing="none")
    rewards, *_ = episode(CommonwattEnv(options), refuses)
    assert sum(rewards) == 0, "mid-market takes nobody who asks for the grid's price"


def test_what_is_seen_is_finite_and_named():
    env = CommonwattEnv(SHORT)
    seen, info = env.reset(seed=1)
    assert seen.shape == (len(OBSERVED),)
    assert seen in env.observation_space
    assert info["home"].startswith("home0")
    assert (seen[2], seen[3]) == pytest.approx((0.177, 0.1))
    *_, last = episode(env, lambda _: IDLE)
    assert not last.any(), "after the last period there is nothing to see"


@pytest.mark.parametrize("numbers", [[5, -7], [1e30, -1e30]])
def test_actions_out_of_bounds_are_cut_off(numbers):
    assert action_of(numbers) == Action(1.0, -1.0)


def test_what_cannot_be_is_refused():
    with pytest.raises(UsageError, match="home999 is no home"):
        CommonwattEnv(SHORT, home="home999").reset()
    with pytest.raises(UsageError, match="homes"):
        CommonwattParallelEnv(ForwardOptions())
    with pytest.raises(gymnasium.error.ResetNeeded, match="reset"):
        CommonwattEnv(SHORT).step(IDLE)
    with pytest.raises(RuntimeError, match="reset"):
        CommonwattParallelEnv(SHORT).step({})
    with pytest.raises(ValueError, match="nan"):
        action_of([float("nan"), 0])


def test_neighbours_trade_by_the_kits_own_agents():
    chosen = Neighbourhood(DEFAULT, 1, ["home002"])
    assert list(chosen.acting) == ["home002"]
    assert isinstance(chosen.acting["home002"], ActingAgent)


def test_without_the_extra_it_says_what_to_install():
    code = (
        "import sys; sys.modules['gymnasium'] = None\n"
        "import commonwatt_loadgen.environment as environment\n"
        "try:\n    environment.CommonwattEnv\nexcept ModuleNotFoundError as error:\n    print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "CommonwattEnv needs gymnasium: install commonwatt-loadgen[gym]"


def test_the_pages_examples_run(capsys):
    page = (Path(__file__).parents[4] / "docs" / "environment.md").read_text("utf-8")
    examples = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(examples) == 3
    for example in examples:
        exec(example, {})
    saved = [float(one) for one in re.findall(r"sold: (-?[\d.]+) AUD saved", capsys.readouterr().out)]
    assert len(saved) == 3
    assert len(set(saved)) > 1
