# SPDX-License-Identifier: Apache-2.0
"""Many homes of a community as a parallel PettingZoo environment: all bid for a period at once."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from gymnasium.spaces import Box
from gymnasium.utils.seeding import np_random
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from commonwatt_loadgen.environment.neighbourhood import DEFAULT, MOST_SEEDS, Neighbourhood, home_ids
from commonwatt_loadgen.environment.spaces import action_of, actions, observations
from commonwatt_loadgen.forward.options import ForwardOptions

Observation = NDArray[np.float32]
Info = dict[str, Any]


class CommonwattParallelEnv(ParallelEnv[str, Observation, Observation]):  # type: ignore[misc]
    """Steps, actions and rewards are those of `CommonwattEnv`, by home."""

    metadata: ClassVar[dict[str, Any]] = {
        "name": "commonwatt_v0",
        "render_modes": [],
        "is_parallelizable": True,
    }

    def __init__(
        self,
        options: ForwardOptions = DEFAULT,
        *,
        homes: Sequence[str] | None = None,
        community_seed: int | None = None,
    ) -> None:
        """`homes`: those that act, by default all of them; the others trade by the kit's own agents.
        `community_seed`: as in `CommonwattEnv`.
        """
        self.possible_agents = list(home_ids(options) if homes is None else homes)
        self.agents: list[str] = []
        self.render_mode = None
        self.observation_spaces = {home: observations() for home in self.possible_agents}
        self.action_spaces = {home: actions() for home in self.possible_agents}
        self._options = options
        self._community_seed = community_seed
        self._random, _ = np_random()
        self._episode: Neighbourhood | None = None

    def observation_space(self, agent: str) -> Box:
        """That of a home."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Box:
        """That of a home."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, Info]]:
        """Begin an episode; equal seeds begin equal ones."""
        if seed is not None:
            self._random, _ = np_random(seed)
        drawn = int(self._random.integers(MOST_SEEDS))
        chosen = drawn if self._community_seed is None else self._community_seed
        episode = self._episode = Neighbourhood(self._options, chosen, self.possible_agents)
        self.agents = list(self.possible_agents)
        infos: dict[str, Info] = {home: {"community_seed": chosen} for home in self.agents}
        return {home: episode.observe(home) for home in self.agents}, infos

    def step(
        self, actions: Mapping[str, Observation]
    ) -> tuple[dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, Info]]:
        """Bid for the next period; a home without an action does what it did before."""
        episode = self._episode
        if episode is None or not self.agents:
            raise RuntimeError("call reset() first: no episode runs")
        homes = self.agents
        outcomes = episode.act({home: action_of(action) for home, action in actions.items()})
        if episode.over:
            self.agents = []
        return (
            {home: episode.observe(home) for home in homes},
            {home: outcomes[home].saved_aud for home in homes},
            dict.fromkeys(homes, False),
            dict.fromkeys(homes, episode.over),
            {home: outcomes[home].as_info() for home in homes},
        )
