# SPDX-License-Identifier: Apache-2.0
"""The images that an organisation's rendered files name: kept, changed, and told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from commonwatt_network.cli.main import build_app
from commonwatt_network.consortium.host import OwnHost, init_host, keep_description, open_host
from commonwatt_network.consortium.organization import OrganizationDescription
from commonwatt_network.consortium.rendered import RECORD
from commonwatt_network.consortium.upgrade import in_force_for_containers
from commonwatt_network.model.topology_parts import CONTRACTS_IMAGE

from ....support.command_line import Ended, invoke

FORMER = "commonwatt-chaincode:0.1.0"
FORMER_PEER = "hyperledger/fabric-peer:3.1.4"


def description(**parts: Any) -> OrganizationDescription:
    """An organisation as its file says, with the images and the version that the file names."""
    about = {
        "name": "newtown",
        "peers": [{"host": "newtown.example"}],
        "orderers": [{"host": "newtown.example"}],
    }
    return OrganizationDescription.model_validate(about | parts)


@pytest.fixture
def earlier(tmp_path: Path) -> OwnHost:
    """An organisation in containers that an earlier version of the kit rendered, with its own default of then."""
    host = init_host(description(images={"chaincode": FORMER, "peer": FORMER_PEER}), tmp_path / "newtown")
    assert render(host).exit_code == 0
    return open_host(host.layout.directory)


def render(host: OwnHost, way: str = "compose", *options: str) -> Ended:
    """`commonwatt org render`, as a user calls it."""
    folder = host.layout.directory
    words = [
        "org",
        "render",
        "--backend",
        way,
        "--out",
        str(folder.with_name(way)),
        "--directory",
        str(folder),
    ]
    return invoke(build_app(), [*words, *options])


def init_again(host: OwnHost, **parts: Any) -> str:
    """`org init` with a file of this version of the kit; the contract's image from now on."""
    return init_host(description(**parts), host.layout.directory).description.images.chaincode


def test_the_first_rendering_names_its_images_and_says_where_nodes_run_now(tmp_path: Path) -> None:
    host = init_host(description(), tmp_path / "newtown")
    first = render(host)
    assert (first.exit_code, first.stderr) == (0, "")
    assert "newtown's nodes are in containers (compose) from now on" in first.stdout
    assert f"chaincode {CONTRACTS_IMAGE} (market 1.0)" in first.stdout
    second = render(host)
    assert (second.exit_code, second.stderr) == (0, "")
    assert "from now on" not in second.stdout
    assert "until now" not in second.stdout
    assert "from now on" in render(host, "kubernetes").stdout


def test_the_contracts_image_stays_with_its_version(earlier: OwnHost) -> None:
    assert init_again(earlier) == FORMER, "the file names none, and another kit's image may hold other code"
    assert init_again(earlier, chaincode={"version": "1.1"}) == CONTRACTS_IMAGE
    assert (
        init_again(earlier, images={"chaincode": "registry.example/market:7"}) == "registry.example/market:7"
    )


def test_programs_of_the_host_are_followed_by_the_kits_own_image(tmp_path: Path) -> None:
    host = init_host(description(images={"chaincode": FORMER}), tmp_path / "newtown")
    assert init_again(host) == CONTRACTS_IMAGE, "until now the kit's own code ran, and no image"


def test_other_images_are_told_and_the_contracts_is_warned_of(earlier: OwnHost) -> None:
    init_again(earlier, images={"chaincode": CONTRACTS_IMAGE})
    told = render(earlier)
    assert told.exit_code == 0
    assert f"peer: image hyperledger/fabric-peer:3.1.5, until now {FORMER_PEER}" in told.stdout
    assert "orderer: image" not in told.stdout
    [warning] = told.stderr.splitlines()
    assert warning.startswith(
        f"warning: market 1.0 was served from image {FORMER}, and these files name {CONTRACTS_IMAGE}"
    )
    assert f'`images: {{chaincode: "{FORMER}"}}`' in warning
    assert render(earlier).stderr == "", "the files have named it since"


def test_a_new_version_brings_its_image_without_a_warning(earlier: OwnHost) -> None:
    init_again(earlier, chaincode={"version": "1.1"})
    told = render(earlier)
    assert (told.exit_code, told.stderr) == (0, "")
    assert f"market 1.1 is in image {CONTRACTS_IMAGE}; market 1.0 was in {FORMER}" in told.stdout


def test_values_for_kubernetes_name_images_too(earlier: OwnHost, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text('images: {chaincode: "registry.example/market:7"}\n')
    told = render(earlier, "kubernetes", "--values", str(values))
    assert (
        f"market 1.0 was served from image {FORMER}, and these files name registry.example/market:7"
        in told.stderr
    )


def test_a_record_that_is_damaged_is_written_anew(earlier: OwnHost) -> None:
    record = earlier.layout.configuration / RECORD
    whole = record.read_text()
    record.write_text("{")
    assert render(earlier).stderr == ""
    assert record.read_text() == whole


def test_an_organisation_in_containers_is_not_stopped_here(earlier: OwnHost) -> None:
    ended = invoke(build_app(), ["org", "stop", "--directory", str(earlier.layout.directory)])
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert "newtown's nodes run under compose" in ended.stderr
    keep_description(init_host(description(backend="native"), earlier.layout.directory))
    ended = invoke(build_app(), ["org", "stop", "--directory", str(earlier.layout.directory)])
    assert (ended.exit_code, ended.stdout) == (0, "nothing was running\n")


def test_an_upgrade_leaves_the_containers_to_their_engine(earlier: OwnHost) -> None:
    init_again(earlier, chaincode={"version": "1.1"})
    told = in_force_for_containers(open_host(earlier.layout.directory))
    assert told.startswith("market 1.1 is in force, and the container of the former version still runs")
    assert told.endswith("start it again under compose")
