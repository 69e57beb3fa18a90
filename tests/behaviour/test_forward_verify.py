# SPDX-License-Identifier: Apache-2.0
"""`commonwatt verify` on a running forward market, on every backend: what auditors see, and what they do not."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from commonwatt_audit.audit import Audit, FirstDifference
from commonwatt_audit.cli import register
from commonwatt_audit.source import shown_blocks_of_network
from commonwatt_client.admin import Block
from commonwatt_client.ledger.delivered import PrivateValues
from commonwatt_network.down import down
from commonwatt_network.embedded.trust.signing import SigningIdentity
from commonwatt_network.model.topology import load_topology
from commonwatt_network.up import up

from ..support.command_line import invoke
from ..support.fabric import require_backend
from .audited import VALID, Ledger
from .conftest import BACKENDS, quiet, run_apart
from .forgery import Forger, nothing
from .forward_network import CHANNEL, FIRST_PERIOD, ForwardNetwork
from .test_planted import planted


@pytest.fixture(scope="module", params=BACKENDS)
def settled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ForwardNetwork]:
    """One period from its first bid to its settlement."""
    require_backend(request.param)
    folder = tmp_path_factory.mktemp(f"verify-{request.param}")
    directory = folder / ".commonwatt"

    async def begin() -> ForwardNetwork:
        made = await up(directory, load_topology("forward"), request.param, quiet)
        network = ForwardNetwork(made.nodes, folder / "keys")
        await network.found(homes=3)
        await network.trade(FIRST_PERIOD)
        await network.settle(FIRST_PERIOD)
        return network

    try:
        yield run_apart(begin)
    finally:
        down(directory)


def verified(network: ForwardNetwork, *options: str) -> Any:
    """What the command finds on an honest ledger."""
    app = typer.Typer()
    register(app)
    ended = invoke(app, ["verify", "--network", str(network.path), "--channel", CHANNEL, *options])
    assert ended.exit_code == 0, ended
    return ended.stdout


def test_an_operators_auditor_computes_everything(settled: ForwardNetwork) -> None:
    found = json.loads(verified(settled, "--json"))
    assert found["first_difference"] is None
    forward = found["forward"]
    assert forward["messages_verified"] == 2 + 3
    assert forward["private_values_not_shown"] == forward["private_values_purged"] == 0
    assert (forward["not_checked"], forward["anomalies"]) == ({}, [])
    told = verified(settled)
    assert "1 clearings, 1 settlements, 0 days of bills recomputed" in told
    assert "forward market: 5 messages verified" in told
    assert "nothing else is worth a look" in told


Shown = list[tuple[Block, PrivateValues]]


async def shown_to(network: ForwardNetwork, organization: str) -> Shown:
    return [one async for one in shown_blocks_of_network(network.path, CHANNEL, organization, "operator")]


async def test_both_organisations_are_shown_the_same(settled: ForwardNetwork) -> None:
    own, grid = [await shown_to(settled, organization) for organization in ("newtown", "grid")]
    for shown in (own, grid):
        audit = Audit()
        for block, values in shown:
            audit.check(block, shown=values)
        assert audit.forward is not None
        assert audit.forward.speech.unseen == 0
        assert not audit.forward.ledger.unchecked


async def test_who_is_shown_nothing_checks_what_is_public(settled: ForwardNetwork) -> None:
    audit = Audit()
    for block, _ in await shown_to(settled, "newtown"):
        audit.check(block)
    assert audit.forward is not None
    private = audit.forward.ledger.private_values()
    assert private.missing == private.standing > 5
    assert audit.forward.ledger.unchecked["lines of settlements"] == 1
    assert audit.forward.ledger.unchecked["awards of clearings"] == 1


async def test_a_peer_that_shows_other_values_is_found(settled: ForwardNetwork) -> None:
    """Each private value of the market in turn: the block's hash gives it away."""
    audit, tried = Audit(), 0
    for block, values in await shown_to(settled, "newtown"):
        for place, value in values.items():
            if place[1] == "market":
                other = {**values, place: value + b" "}
                with pytest.raises(FirstDifference, match="shows another value"):
                    copy.deepcopy(audit).check(block, shown=other)
                tried += 1
        audit.check(block, shown=values)
    assert tried > 5


SENDERS = {
    "close_gate": ("newtown", "NewtownMSP"),
    "clear_period": ("grid", "GridMSP"),
    "freeze_period": ("newtown", "NewtownMSP"),
    "settle_period": ("grid", "GridMSP"),
}


@pytest.mark.parametrize("name", SENDERS)
async def test_a_record_that_the_rules_do_not_give_is_reported(settled: ForwardNetwork, name: str) -> None:
    """Both organisations endorse it and the orderer signs it; nothing else of the block is wrong."""
    organization, mspid = SENDERS[name]
    shown = await shown_to(settled, "newtown")
    number = next(block.number for block, _ in shown if f"forward:{name}".encode() in block.serialized)
    audited = Audit()
    for block, values in shown[:number]:
        audited.check(block, shown=values)
    honest, values = shown[number]
    step = Ledger(Forger.of(settled), [block for block, _ in shown[:number]], audited, honest)
    folder = step.forger.layout.user(organization, "operator") / "msp"
    creator = SigningIdentity.from_directory(folder, mspid)

    def said_of(edit: Any) -> str:
        envelope = step.forger.transaction(honest.envelopes[0], creator=creator, before=edit)
        audit, block = copy.deepcopy(audited), step.forger.block(step.before[-1], [envelope], VALID)
        try:
            audit.check(block, shown=values)
        except FirstDifference as difference:
            return str(difference)
        return ""

    assert said_of(nothing) == ""
    edits = list(planted(step))
    assert len(edits) > 4
    assert [what for what, edit in edits if f"(forward:{name})" not in said_of(edit)] == []
