# SPDX-License-Identifier: Apache-2.0
"""One home of a community as a Gymnasium environment; its neighbours trade by the kit's own agents."""

from typing import Any, ClassVar

import gymnasium
import numpy as np
from numpy.typing import NDArray

from commonwatt_loadgen.environment.neighbourhood import DEFAULT, MOST_SEEDS, Neighbourhood
from commonwatt_loadgen.environment.spaces import action_of, actions, observations
from commonwatt_loadgen.forward.options import ForwardOptions

Observation = NDArray[np.float32]


class CommonwattEnv(gymnasium.Env[Observation, Observation]):  # type: ignore[misc]
    """A step is a period: the home bids, and the reward is what it saved in the periods that were settled, in AUD.

    A bid comes before earlier periods are over, so a reward comes a step or two late; the last step settles all.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}

    def __init__(
        self, options: ForwardOptions = DEFAULT, *, home: str = "", community_seed: int | None = None
    ) -> None:
        """`home`: the one that acts; "" is the first one with a battery. `community_seed`: of the homes that every
        episode has; None draws others for each episode.

        Raises:
            UsageError: at `reset`, for options that cannot be, and for an unknown home.
        """
        self.observation_space = observations()
        self.action_space = actions()
        self.render_mode = None
        self._options = options
        self._home = home
        self._community_seed = community_seed
        self._episode: Neighbourhood | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode; equal seeds begin equal ones."""
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(MOST_SEEDS))
        chosen = drawn if self._community_seed is None else self._community_seed
        self._episode = Neighbourhood(self._options, chosen, (self._home,))
        (home,) = self._episode.acting
        return self._episode.observe(home), {"home": home, "community_seed": chosen}

    def step(self, action: Observation) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Bid for the next period."""
        episode = self._episode
        if episode is None or episode.over:
            raise gymnasium.error.ResetNeeded("call reset() first: no episode runs")
        (home,) = episode.acting
        outcome = episode.act({home: action_of(action)})[home]
        # The market goes on; what ends is the span that is simulated.
        return episode.observe(home), outcome.saved_aud, False, episode.over, outcome.as_info()


ID = "commonwatt/Home-v0"
"""By which `gymnasium.make` makes it once this module is imported."""

if ID not in gymnasium.registry:
    gymnasium.register(ID, CommonwattEnv)
