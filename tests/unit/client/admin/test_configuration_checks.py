# SPDX-License-Identifier: Apache-2.0
"""Mistakes that nodes accept: found before anybody joins."""

import datetime
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from commonwatt_client.admin import ChannelConfig, decode_block, find_mistakes, read_channel_config
from commonwatt_client.admin.configuration.checks import bft_quorum
from commonwatt_network.channels.genesis import genesis_block
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import settle
from commonwatt_network.model.topology import default_topology
from commonwatt_network.model.topology_parts import OrdererOrganization, Orderers
from commonwatt_network.trust.identity import ensure_identities
from fabric_protos.orderer import configuration_pb2
from fabric_protos.orderer.smartbft import configuration_pb2 as smartbft_pb2

THEN = datetime.datetime(2026, 11, 24, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def bft_config(tmp_path_factory: pytest.TempPathFactory) -> ChannelConfig:
    """A channel with four BFT orderers, as the network part makes it."""
    orderers = Orderers(
        consensus="bft", organizations={"orderers": OrdererOrganization(mspid="OrdererMSP", nodes=4)}
    )
    topology = default_topology(homes=1).model_copy(update={"orderers": orderers})
    nodes = settle(topology, Layout(tmp_path_factory.mktemp("bft")), 20000)
    ensure_identities(nodes)
    return read_channel_config(decode_block(genesis_block(nodes, "newtown")))


def test_the_recorded_channel_is_sound_while_its_certificates_last(genesis_config: ChannelConfig) -> None:
    assert find_mistakes(genesis_config, THEN) == ()
    later = find_mistakes(genesis_config, THEN + datetime.timedelta(days=4000))
    assert len(later) == 3
    assert all("expired" in mistake for mistake in later)


def test_a_bft_channel_of_ours_is_sound(bft_config: ChannelConfig) -> None:
    assert bft_config.consensus_type == "BFT"
    assert [consenter.id for consenter in bft_config.consenters] == [1, 2, 3, 4]
    assert find_mistakes(bft_config) == ()


def _rotate(root: Any) -> None:
    value = root.groups["Orderer"].values["ConsensusType"]
    consensus = configuration_pb2.ConsensusType.FromString(value.value)
    options = smartbft_pb2.Options.FromString(consensus.metadata)
    options.leader_rotation = smartbft_pb2.Options.ROTATION_ON
    consensus.metadata = options.SerializeToString()
    value.value = consensus.SerializeToString()


def _implicit_block_validation(root: Any) -> None:
    policies = root.groups["Orderer"].policies
    policies["BlockValidation"].CopyFrom(policies["Writers"])


MISTAKES: dict[str, Callable[[Any], Any]] = {
    "V3_0": lambda root: root.values["Capabilities"].ClearField("value"),
    "rotation": _rotate,
    "BlockValidation": _implicit_block_validation,
    "no orderer endpoints": lambda root: (
        root.groups["Orderer"].groups["OrdererMSP"].values["Endpoints"].ClearField("value")
    ),
    "nobody could join": lambda root: root.groups["Application"].groups.clear(),
}


@pytest.mark.parametrize("expected", MISTAKES)
def test_mistakes_that_orderers_accept_are_found(bft_config: ChannelConfig, expected: str) -> None:
    root = bft_config.edited_group()
    MISTAKES[expected](root)
    (found,) = find_mistakes(replace(bft_config, group=root.SerializeToString()))
    assert expected in found


def test_quorums() -> None:
    assert [bft_quorum(n) for n in (1, 2, 3, 4, 5, 6, 7, 10)] == [1, 2, 2, 3, 4, 4, 5, 7]
