# SPDX-License-Identifier: Apache-2.0
"""What would be done to a running network, in words; nothing is changed by asking."""

from __future__ import annotations

from dataclasses import dataclass

from commonwatt_network.backends.registry import nodes_of
from commonwatt_network.change.difference import difference
from commonwatt_network.change.renewals import Renewal, due
from commonwatt_network.change.steps import Step
from commonwatt_network.errors import NoNetworkError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.state import State, read_state, require_first_start
from commonwatt_network.model.topology import Topology, keeping_image
from commonwatt_network.programs.chaincode_code import refuse_changed_code, require_programs
from commonwatt_network.trust.issued import read_record


@dataclass(frozen=True)
class Plan:
    """What has expired, for nothing else works before; steps in their order; certificates to renew in good time.

    `interrupted`: the first step began.
    """

    expired: tuple[Renewal, ...]
    steps: tuple[Step, ...]
    renewals: tuple[Renewal, ...]
    interrupted: bool

    @property
    def nothing(self) -> bool:
        return not self.expired and not self.steps and not self.renewals

    @property
    def lines(self) -> list[str]:
        """One line per step."""
        words = [step.words for step in self.steps]
        if self.interrupted and words:
            words[0] = f"finish what was interrupted: {words[0]}"
        before, after = ([renewal.words for renewal in group] for group in (self.expired, self.renewals))
        return [*before, *words, *after]


def find_network(layout: Layout) -> State:
    """The network in the folder. Raises NoNetworkError when there is none."""
    state = read_state(layout)
    if state is None:
        raise NoNetworkError(layout.directory)
    return state


def goal_of(state: State, wanted: Topology | None) -> Topology:
    """The topology that is to come: what is wanted, or what a change that was cut off was to reach."""
    if wanted is None:
        return state.change.wanted if state.change else state.topology
    return keeping_image(state.change.topology if state.change else state.topology, wanted)


def make_plan(layout: Layout, state: State, wanted: Topology | None) -> Plan:
    """What leads from `state` to `wanted`, a change that was cut off first. Raises UsageError for what cannot be."""
    require_first_start(layout)
    goal = goal_of(state, wanted)
    require_programs(goal)
    refuse_changed_code(layout, goal)
    organizations = {**state.topology.organizations, **goal.organizations}
    revoked = {name: read_record(layout, name).revoked for name in organizations}
    begun = difference(state.topology, state.change.topology, revoked) if state.change else []
    reached = begun[-1].after if begun else state.topology
    steps = (*begun, *difference(reached, goal, revoked))
    cut_off = state.change.words if state.change else ""
    renewals = due(nodes_of(layout, state), goal, cut_off)
    expired = tuple(renewal for renewal in renewals if renewal.expired)
    in_time = tuple(renewal for renewal in renewals if not renewal.expired)
    return Plan(expired, steps, in_time, bool(begun))
