# SPDX-License-Identifier: Apache-2.0
"""Doing what a plan says, step after step. Each step that is done is recorded: a change that was cut off goes on."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from commonwatt_network.backends.backend import Phase
from commonwatt_network.backends.registry import backend_called, nodes_of
from commonwatt_network.change import images, membership, ordering, renewals, servers, steps
from commonwatt_network.change.placing import place, placement_of
from commonwatt_network.change.plan import find_network, goal_of, make_plan
from commonwatt_network.change.site import Site, start, start_authorities
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.model.state import Change, State, exclusive, write_state
from commonwatt_network.model.topology import Topology
from commonwatt_network.programs import processes
from commonwatt_network.trust import fabric_authorities

Work = Callable[[Site, Any], Awaitable[None]]
WORK: dict[type[steps.Step], Work] = {
    steps.Record: membership.nothing,
    steps.AddOrganization: membership.bring,
    steps.AddChannel: membership.bring,
    steps.AddChaincode: membership.bring,
    steps.EnrolUsers: membership.enrol,
    steps.AddPeer: membership.add_peer,
    steps.AddMember: membership.add_member,
    steps.RemovePeer: membership.remove,
    steps.RemoveOrganization: membership.remove,
    steps.ChangeBatch: ordering.change_batch,
    steps.ChangeReaders: membership.change_readers,
    steps.AddOrderer: ordering.add_orderer,
    steps.RemoveOrderer: ordering.remove_orderer,
    steps.ReplaceServers: servers.replace_servers,
    steps.RestartServers: servers.replace_servers,
    steps.ChangeDefinition: membership.bring,
    steps.ChangeImages: images.change_images,
    steps.ChangeChaincodeImage: images.change_chaincode_image,
}


@dataclass(frozen=True)
class Applied:
    """What was done, in words, with the seconds that each took; nothing when the network was as wanted.

    `passed_over`: users whose certificates were not renewed, and why.
    """

    done: tuple[tuple[str, float], ...]
    passed_over: tuple[str, ...] = ()


async def apply(directory: Path, wanted: Topology | None, phase: Phase) -> Applied:
    """Make the running network in `directory` what is `wanted`; without it, finish what was interrupted.

    Raises UsageError before anything is changed, NetworkError when a step failed: the same call again goes on there.
    """
    layout = Layout(directory)
    with exclusive(layout):
        state = find_network(layout)
        goal = goal_of(state, wanted)
        plan = make_plan(layout, state, goal)
        nodes, backend = nodes_of(layout, state), backend_called(state.backend)
        backend.require(nodes)
        if plan.nothing:
            return Applied(())
        if goal.ca == "fabric-ca":
            fabric_authorities.require()
        processes.refuse_suspended(processes.running(layout))
        backend.fetch(nodes, goal)
        done: list[tuple[str, float]] = []
        passed_over: list[str] = []
        site = Site(backend, nodes, nodes)
        for renewal in plan.expired:
            began = time.monotonic()
            with phase(renewal.words):
                passed_over += await renewals.renew_expired(site, renewal)
            done.append((renewal.words, time.monotonic() - began))
        with phase("start what does not run"):  # a change must not begin that a dead node would stop halfway
            start_authorities(site)
            await start(site)
        for step in plan.steps:
            began = time.monotonic()
            with phase(step.words):
                state = await _do(layout, state, step, goal)
            done.append((step.words, time.monotonic() - began))
        for renewal in plan.renewals:
            began = time.monotonic()
            with phase(renewal.words):
                state, refused = await _renew(layout, state, renewal)
            passed_over += refused
            done.append((renewal.words, time.monotonic() - began))
        write_state(layout, replace(state, change=None))
        return Applied(tuple(done), tuple(passed_over))


async def _do(layout: Layout, state: State, step: steps.Step, goal: Topology) -> State:
    """One step. What it is and where its new nodes will be is written before it begins, that it is done after."""
    before = nodes_of(layout, state)
    if state.change and state.change.topology == step.after:
        placement = state.change.placement
    else:
        placement = place(before, step.after, layout, _moving(before, step, state.backend))
    state = replace(state, placement=placement_of(before))
    write_state(layout, replace(state, change=Change(step.words, step.after, placement, goal)))
    after = State(step.after, state.backend, state.first_port, placement)
    await WORK[type(step)](Site(backend_called(state.backend), before, nodes_of(layout, after)), step)
    write_state(layout, after)
    return after


def _moving(before: Nodes, step: steps.Step, backend: str) -> list[str]:
    """The chaincode servers that a step starts anew beside the old ones; of another image, all that run from it."""
    replaced = step.chaincode if isinstance(step, steps.ReplaceServers | steps.RestartServers) else None
    other = step.after.images.chaincode != before.topology.images.chaincode
    everyone = other and backend_called(backend).in_containers
    return [server.name for server in before.chaincode_servers if everyone or server.chaincode == replaced]


async def _renew(layout: Layout, state: State, renewal: renewals.Renewal) -> tuple[State, tuple[str, ...]]:
    """One owner's certificates. It is done again from its beginning when it was cut off."""
    before = nodes_of(layout, state)
    moving = {server.name for server in before.chaincode_servers} & {*renewal.restarts}
    placement = place(before, state.topology, layout, moving)
    state = replace(state, placement=placement_of(before))
    write_state(layout, replace(state, change=Change(renewal.key, state.topology, placement, state.topology)))
    after = replace(state, placement=placement, change=None)
    refused = await renewals.renew(
        Site(backend_called(state.backend), before, nodes_of(layout, after)), renewal
    )
    write_state(layout, after)
    return after, refused
