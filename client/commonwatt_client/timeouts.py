# SPDX-License-Identifier: Apache-2.0
"""How long each phase of a transaction may take, unless a call says otherwise."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Default timeouts in seconds; None waits without limit.

    ::

        connect(peers, identity=identity, signer=signer, timeouts=Timeouts(endorse_s=10, commit_status_s=120))
    """

    evaluate_s: float | None = 30.0
    endorse_s: float | None = 30.0
    submit_s: float | None = 10.0
    commit_status_s: float | None = 60.0
    events_s: float | None = None
    """How long an event stream may live in all."""
