# SPDX-License-Identifier: Apache-2.0
"""`commonwatt apply` on containers, while homes trade; skipped with the reason where no container engine answers.

    pytest -m long -s tests/acceptance/test_compose_changes.py

It needs the images that the default topology names, and gives the contract's a second tag. Fabric's next version comes
in test_compose_upgrade.py.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from commonwatt_network.backends import compose, engine
from commonwatt_network.change.apply import apply
from commonwatt_network.down import reset
from commonwatt_network.model.topology import Topology, default_topology

from tests.acceptance.engine import require_engine, tagged
from tests.acceptance.test_plan_apply import (
    Running,
    edited,
    longer_lived,
    running,
    silent,
    with_community,
)

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
WITHIN_S = 300.0


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A network in containers, which the tests change one after the other."""
    require_engine()
    directory = tmp_path_factory.mktemp("changes") / "network"
    try:
        with running(directory, topology(), "compose") as network:
            yield network
    finally:
        reset(directory)


def topology() -> Topology:
    """Certificates good for twenty days."""
    return edited(
        default_topology(homes=2),
        organizations__newtown__days_valid=20,
        organizations__grid__days_valid=20,
        orderers__organizations__orderers__days_valid=20,
    )


def images_that_run(network: Running) -> dict[str, str]:
    """Service -> the image of its container."""
    folder = compose.directory(network.nodes.layout) / compose.HERE
    found = engine.containers_of(folder)
    assert {name for name, seen in found.items() if not seen.ended} == {*compose.services(network.nodes)}
    words = ("docker", "inspect", "--format", "{{.Config.Image}}")
    answer = engine.run((*words, *(seen.container for seen in found.values())))
    return dict(zip(found, answer.stdout.split(), strict=True))


async def test_blocks_are_cut_otherwise(town: Running) -> None:
    wanted = edited(town.topology, channels__newtown__batch__timeout_ms=100)
    [words] = await town.become(wanted, WITHIN_S)
    assert "blocks are cut after" in words


async def test_a_contract_is_upgraded_with_its_new_image(town: Running) -> None:
    image = tagged(town.topology.images.chaincode, "0.1.1")
    before = set(images_that_run(town))
    wanted = edited(town.topology, images__chaincode=image, chaincodes__market__version="1.1")
    [words] = await town.become(wanted, WITHIN_S)
    assert words == f"upgrade chaincode market from 1.0 to 1.1 on channel newtown, from image {image}"
    after = images_that_run(town)
    servers = {name for name in after if name.startswith("market.")}
    assert {after[name] for name in servers} == {image}
    assert not servers & before, "the old servers ended"
    folder = compose.directory(town.nodes.layout) / compose.HERE
    assert {path.name for path in folder.glob("market.*")} == servers, "nothing is kept of the old ones"


async def test_a_community_comes(town: Running) -> None:
    wanted = with_community(town.topology, "glebe")
    assert len(await town.become(wanted, WITHIN_S)) == 2
    assert "peer0.glebe" in images_that_run(town)


async def test_a_peer_comes_and_goes(town: Running) -> None:
    before = town.topology
    await town.become(edited(before, organizations__newtown__peers=2), WITHIN_S)
    assert "peer1.newtown" in images_that_run(town)
    await town.become(before, WITHIN_S)
    assert "peer1.newtown" not in images_that_run(town)
    ledgers = compose.directory(town.nodes.layout) / compose.HERE / "ledgers"
    assert (ledgers / "peer1.newtown").is_dir(), "its ledger stays"
    shutil.rmtree(ledgers / "peer1.newtown")  # the next peer of this name begins anew


async def test_a_peer_comes_by_a_snapshot(town: Running) -> None:
    changes = {"organizations__newtown__peers": 2, "organizations__newtown__new_peers": "snapshot"}
    await town.become(edited(town.topology, **changes), WITHIN_S)
    assert "peer1.newtown" in images_that_run(town)


async def test_certificates_are_renewed(town: Running) -> None:
    wanted = longer_lived(town.topology, 365, certificates__renew_before_days=100)
    await town.become(wanted, WITHIN_S)
    assert town.fewest_days_left() > 300


async def test_one_orderer_becomes_three(town: Running) -> None:
    await town.become(edited(town.topology, orderers__organizations__orderers__nodes=3), WITHIN_S)
    assert {"orderer1", "orderer2"} <= set(images_that_run(town))


async def test_an_image_that_is_nowhere_is_refused_before_anything_changes(town: Running) -> None:
    before = images_that_run(town)
    wanted = edited(town.topology, images__peer="hyperledger/fabric-peer:3.1.98")
    with pytest.raises(engine.ComposeError, match=r"no image hyperledger/fabric-peer:3\.1\.98"):
        await apply(town.directory, wanted, silent)
    assert images_that_run(town) == before
