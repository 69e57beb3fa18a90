# SPDX-License-Identifier: Apache-2.0
"""`commonwatt apply` in a cluster, while homes trade; skipped with the reason where no cluster is lent.

    COMMONWATT_TEST_KUBE_CONTEXT=CONTEXT pytest -m long -s tests/acceptance/test_kubernetes_changes.py

The cluster needs the images that the default topology names. COMMONWATT_TEST_OLDER_FABRIC names an older version of
Fabric's images that it has, and COMMONWATT_TEST_NEXT_CONTRACT another image of the contract: without them the tests of
other images are skipped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from commonwatt_network.backends.cluster import KubectlError
from commonwatt_network.change.apply import apply
from commonwatt_network.down import reset
from commonwatt_network.model.topology import Topology, default_topology

from tests.acceptance.cluster import SERVICE, Pods, balances, kubectl, require_cluster
from tests.acceptance.engine import OLDER
from tests.acceptance.test_compose_changes import WITHIN_S
from tests.acceptance.test_plan_apply import (
    Running,
    edited,
    longer_lived,
    running,
    silent,
)

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
NEXT_CONTRACT = "COMMONWATT_TEST_NEXT_CONTRACT"
COMMUNITY, RETAILER, ORDERERS = "kit-newtown", "kit-grid", "kit-orderers"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A network in a cluster, which the tests change one after the other."""
    folder = tmp_path_factory.mktemp("changes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(require_cluster(folder)))
        directory = folder / "network"
        try:
            with running(directory, topology(), "kubernetes") as network:
                yield network
        finally:
            reset(directory)


def topology() -> Topology:
    """Certificates good for twenty days, load balancers and an older Fabric where the cluster has them."""
    content = default_topology(homes=2).model_dump(mode="json")
    names = {"newtown": COMMUNITY, "grid": RETAILER, "orderers": ORDERERS}
    for place in (content, content["orderers"]):
        place["organizations"] = {
            names[name]: entry | {"days_valid": 20} for name, entry in place["organizations"].items()
        }
    content["channels"]["newtown"]["organizations"] = [COMMUNITY, RETAILER]
    if balances():
        content["kubernetes"]["outside"] = "LoadBalancer"
    older = os.environ.get(OLDER)
    if older:
        content["images"]["peer"] = f"hyperledger/fabric-peer:{older}"
        content["images"]["orderer"] = f"hyperledger/fabric-orderer:{older}"
    return Topology.model_validate(content)


def services(namespace: str) -> set[str]:
    """The Services of a namespace that a pod is behind."""
    return {pod["metadata"]["labels"][SERVICE] for pod in Pods(namespace).all()}


async def test_blocks_are_cut_otherwise(town: Running) -> None:
    [words] = await town.become(edited(town.topology, channels__newtown__batch__timeout_ms=100), WITHIN_S)
    assert "blocks are cut after" in words


async def test_a_contract_is_upgraded_while_the_former_serves(town: Running) -> None:
    [before] = [
        pod["metadata"]["name"] for pod in Pods(RETAILER).all() if "market" in pod["metadata"]["name"]
    ]
    changes: dict[str, object] = {"chaincodes__market__version": "1.1"}
    if image := os.environ.get(NEXT_CONTRACT):
        changes["images__chaincode"] = image
    await town.become(edited(town.topology, **changes), WITHIN_S)
    [after] = [
        pod
        for pod in Pods(RETAILER).all()
        if "market" in pod["metadata"]["name"] and "deletionTimestamp" not in pod["metadata"]
    ]
    assert after["metadata"]["name"] != before
    assert image in (None, "", after["spec"]["containers"][0]["image"])


async def test_a_community_comes(town: Running) -> None:
    content = town.topology.model_dump(mode="json")
    content["organizations"]["kit-glebe"] = {"homes": 2, "users": {"operator": {"role": "operator"}}}
    content["channels"]["glebe"] = {"organizations": ["kit-glebe", RETAILER], "chaincodes": ["market"]}
    assert len(await town.become(Topology.model_validate(content), WITHIN_S)) == 2
    assert services("kit-glebe") == {"peer0", "market"}


async def test_a_peer_comes_and_goes(town: Running) -> None:
    before = town.topology
    await town.become(edited(before, **{f"organizations__{COMMUNITY}__peers": 2}), WITHIN_S)
    assert "peer1" in services(COMMUNITY)
    await town.become(before, WITHIN_S)
    assert "peer1" not in services(COMMUNITY)
    volume = kubectl("--namespace", COMMUNITY, "get", "pvc", "ledger-peer1-0", "--output", "name")
    assert volume.strip(), "its ledger stays"
    kubectl("--namespace", COMMUNITY, "delete", "pvc", "ledger-peer1-0")  # the next of this name begins anew


async def test_a_peer_comes_by_a_snapshot(town: Running) -> None:
    changes = {"peers": 2, "new_peers": "snapshot"}
    wanted = {f"organizations__{COMMUNITY}__{name}": value for name, value in changes.items()}
    await town.become(edited(town.topology, **wanted), WITHIN_S)
    assert "peer1" in services(COMMUNITY)


async def test_one_orderer_becomes_three(town: Running) -> None:
    await town.become(edited(town.topology, **{f"orderers__organizations__{ORDERERS}__nodes": 3}), WITHIN_S)
    assert services(ORDERERS) == {"orderer0", "orderer1", "orderer2"}


async def test_fabrics_next_version_comes_node_after_node(town: Running) -> None:
    if not os.environ.get(OLDER):
        pytest.skip(f"{OLDER} names no older version of Fabric whose images the cluster has")
    images = default_topology(homes=2).images
    wanted = edited(town.topology, images__peer=images.peer, images__orderer=images.orderer)
    [words] = await town.become(wanted, WITHIN_S)
    assert words.startswith("change images: orderers from hyperledger/fabric-orderer")
    assert Pods(ORDERERS).image("orderer0") == images.orderer
    assert Pods(COMMUNITY).image("peer0") == images.peer


async def test_certificates_are_renewed(town: Running) -> None:
    await town.become(longer_lived(town.topology, 365, certificates__renew_before_days=100), WITHIN_S)
    assert town.fewest_days_left() > 300


async def test_an_image_that_is_nowhere_is_refused_before_anything_changes(town: Running) -> None:
    before = Pods(COMMUNITY).image("peer0")
    wanted = edited(town.topology, images__peer="hyperledger/fabric-peer:3.1.98")
    with pytest.raises(KubectlError, match=r"cannot have the image hyperledger/fabric-peer:3\.1\.98"):
        await apply(town.directory, wanted, silent)
    assert Pods(COMMUNITY).image("peer0") == before
