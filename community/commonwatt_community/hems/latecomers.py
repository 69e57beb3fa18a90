# SPDX-License-Identifier: Apache-2.0
"""How long a call is made again while an endorsing peer is behind the one that reported a commit."""

LATECOMER_TRIES = 12
LATECOMER_PAUSE_S = 0.02
# What an organisation's peer answers while it is a block behind the one that reported the commit.
MAY_BE_BEHIND = frozenset(
    {
        "unknown_round",
        "unknown_home",
        "not_configured",
        "not_offer_phase",
        "interval_gap",
        "insufficient_energy",
        "wrong_band",
        "day_not_over",
    }
)
