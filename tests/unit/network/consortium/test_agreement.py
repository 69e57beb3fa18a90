# SPDX-License-Identifier: Apache-2.0
"""What members agree to when an organisation's orderers come, go, move or are renewed: one update each, and no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from commonwatt_client.admin import ChannelConfig
from commonwatt_network.consortium.agreement import NOTHING, _refuse_taken, following, key
from commonwatt_network.consortium.bundle import Bundle, own_bundle
from commonwatt_network.consortium.genesis import consortium_block
from commonwatt_network.consortium.host import OwnHost, init_host, lose_logs, open_host
from commonwatt_network.consortium.moving import change_host, with_addresses
from commonwatt_network.consortium.organization import OrganizationDescription
from commonwatt_network.consortium.readmission import Purpose, Step, steps_of
from commonwatt_network.consortium.renewal import due, renew
from commonwatt_network.consortium.review import review_block
from commonwatt_network.consortium.update import UpdateError

AGREE = Purpose("agree", following, _refuse_taken, NOTHING)


def describe(name: str, orderers: list[dict[str, Any]] | None = None) -> OrganizationDescription:
    return OrganizationDescription.model_validate(
        {
            "name": name,
            "orderers": orderers or [{"host": f"orderer.{name}.example"}],
            "peers": [{"host": f"peer.{name}.example"}],
        }
    )


@pytest.fixture
def hosts(tmp_path: Path) -> dict[str, OwnHost]:
    return {name: init_host(describe(name), tmp_path / name) for name in ("newtown", "glebe", "grid")}


@pytest.fixture
def config(hosts: dict[str, OwnHost]) -> ChannelConfig:
    return review_block(consortium_block("newtown", [own_bundle(host) for host in hosts.values()])).config


async def changed(host: OwnHost, orderers: list[dict[str, Any]]) -> Bundle:
    said: list[str] = []
    description = describe(host.name, orderers)
    return own_bundle(await change_host(description, host.layout.directory, said.append))


def announced(config: ChannelConfig, host: OwnHost) -> ChannelConfig:
    """The channel once the organisation has said by itself where its nodes are."""
    return with_addresses(config, open_host(host.layout.directory))


def agreed(config: ChannelConfig, bundle: Bundle) -> list[Step]:
    return steps_of(config, bundle, AGREE)


async def test_nothing_changed_nothing_to_sign(hosts: dict[str, OwnHost], config: ChannelConfig) -> None:
    assert agreed(config, own_bundle(hosts["glebe"])) == []


async def test_a_renewed_certificate_keeps_the_key_and_the_place(
    hosts: dict[str, OwnHost], config: ChannelConfig
) -> None:
    glebe = hosts["glebe"]
    assert due(glebe) == []
    before = own_bundle(glebe)
    said: list[str] = []
    renewed = await renew(glebe, said.append, before_days=365)
    assert "orderer0.glebe" in renewed
    assert any(line.startswith("peer0.glebe: renewed for 36") for line in said)
    after = own_bundle(glebe)
    assert after.orderers != before.orderers
    [step] = agreed(config, after)
    assert [key(each) for each in step.consenters] == [key(each) for each in config.consenters]
    assert step.review.words[0].startswith("the orderer orderer.glebe.example:7050 is at")
    assert agreed(step.review.desired, after) == []


async def test_an_orderer_moves_and_keeps_its_key(hosts: dict[str, OwnHost], config: ChannelConfig) -> None:
    bundle = await changed(hosts["glebe"], [{"host": "elsewhere.glebe.example", "port": 7150}])
    both = announced(config, hosts["glebe"])
    assert both.orderer_organizations["GlebeMSP"].orderer_endpoints == (
        "elsewhere.glebe.example:7150",
        "orderer.glebe.example:7050",
    )
    [step] = agreed(both, bundle)
    assert {each.address for each in step.consenters} == {
        "orderer.newtown.example:7050",
        "orderer.grid.example:7050",
        "elsewhere.glebe.example:7150",
    }
    assert step.review.mistakes == ()
    assert {key(each) for each in step.consenters} == {key(each) for each in config.consenters}
    after = announced(step.review.desired, hosts["glebe"])
    assert after.orderer_organizations["GlebeMSP"].orderer_endpoints == ("elsewhere.glebe.example:7150",)


async def test_orderers_come_and_go_one_update_each(hosts: dict[str, OwnHost], config: ChannelConfig) -> None:
    glebe = hosts["glebe"]
    ports = {"port": 7150, "admin_port": 7153, "operations_port": 9543}
    more = [{"host": "orderer.glebe.example"}, {"host": "second.glebe.example", **ports}]
    [step] = agreed(config, await changed(glebe, more))
    assert len(step.consenters) == 4
    assert step.review.words[0].startswith("takes in the orderer second.glebe.example:7150")
    second = {key(each) for each in step.consenters} - {key(each) for each in config.consenters}
    [gone] = agreed(step.review.desired, await changed(glebe, more[:1]))
    assert gone.review.words[0].startswith("takes out the orderer second.glebe.example:7150")
    assert [each.address for each in gone.consenters] == [each.address for each in config.consenters]
    # The orderer that comes back under that name is another: its log is gone, so it must not vote as the former one.
    [again] = agreed(gone.review.desired, await changed(glebe, more))
    assert not second & {key(each) for each in again.consenters}


async def test_who_lost_its_log_is_readmitted_instead(
    hosts: dict[str, OwnHost], config: ChannelConfig
) -> None:
    lose_logs(hosts["glebe"])
    with pytest.raises(UpdateError, match="commonwatt consortium readmit glebe"):
        agreed(config, own_bundle(hosts["glebe"]))


async def test_nobody_takes_another_organisations_place(
    hosts: dict[str, OwnHost], config: ChannelConfig, tmp_path: Path
) -> None:
    bundle = own_bundle(hosts["glebe"])
    thief = await changed(hosts["glebe"], [{"host": "orderer.grid.example"}])
    with pytest.raises(UpdateError, match=r"orderer\.grid\.example:7050 is another organisation's"):
        agreed(config, thief)
    foreign = own_bundle(init_host(describe("glebe"), tmp_path / "another"))
    with pytest.raises(UpdateError, match="foreign"):
        agreed(config, foreign)
    none = bundle.model_copy(update={"orderers": []})
    assert [len(step.consenters) for step in agreed(config, none)] == [2]
