# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from commonwatt_network.embedded.channels.configuration import (
    ChannelConfig,
    ChannelConfigError,
    parse_duration_s,
)
from commonwatt_network.embedded.channels.updates import (
    ConfigUpdateError,
    propose_config_update,
    validate_config_envelope,
)
from commonwatt_network.embedded.trust.signing import SigningIdentity
from fabric_protos.common import common_pb2, configtx_pb2
from fabric_protos.orderer import configuration_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Signers = Callable[[str, str], SigningIdentity]


def timeout_update(config: Any, timeout: str, step: int = 1) -> Any:
    """An update of the batch timeout, `step` versions ahead."""
    update = configtx_pb2.ConfigUpdate(channel_id="newtown")
    orderer = config.channel_group.groups["Orderer"]
    for group_set in (update.read_set, update.write_set):
        group_set.version = config.channel_group.version
        group_set.groups["Orderer"].version = orderer.version
    value = update.write_set.groups["Orderer"].values["BatchTimeout"]
    value.CopyFrom(orderer.values["BatchTimeout"])
    value.version += step
    value.value = configuration_pb2.BatchTimeout(timeout=timeout).SerializeToString()
    return update


def sign(update: Any, *signers: SigningIdentity) -> Any:
    envelope = configtx_pb2.ConfigUpdateEnvelope(config_update=update.SerializeToString())
    for signer in signers:
        header = signer.signature_header()
        envelope.signatures.add(
            signature_header=header, signature=signer.sign(header + envelope.config_update)
        )
    return envelope


def propose(channel: ChannelConfig, envelope: Any) -> Any:
    return propose_config_update(channel.channel_id, channel.config, channel.policies, envelope)


@pytest.fixture
def as_envelope(envelope: Callable[..., Any]) -> Callable[[Any], Any]:
    return lambda update: envelope(update.SerializeToString(), type=common_pb2.CONFIG_UPDATE)


def test_an_authorised_update_takes_effect(channel: ChannelConfig, signer: Signers, as_envelope: Any) -> None:
    update = sign(timeout_update(channel.config, "700ms"), signer("orderers", "admin"))
    proposed = propose(channel, as_envelope(update))
    assert proposed.config.sequence == channel.sequence + 1
    successor = channel.successor(proposed.config)
    assert (channel.batch_timeout_s, successor.batch_timeout_s) == (0.3, 0.7)
    validate_config_envelope("newtown", channel.config, channel.policies, proposed)


def test_a_peer_refuses_a_configuration_that_the_update_does_not_make(
    channel: ChannelConfig, signer: Signers, as_envelope: Any
) -> None:
    update = sign(timeout_update(channel.config, "700ms"), signer("orderers", "admin"))
    proposed = propose(channel, as_envelope(update))
    proposed.config.channel_group.groups["Orderer"].values["BatchTimeout"].value = b""
    with pytest.raises(ConfigUpdateError, match="did not produce the supplied config result"):
        validate_config_envelope("newtown", channel.config, channel.policies, proposed)
    proposed.config.sequence = 7
    with pytest.raises(
        ConfigUpdateError, match="currently at sequence 0, cannot validate config at sequence 7"
    ):
        validate_config_envelope("newtown", channel.config, channel.policies, proposed)


@pytest.mark.parametrize("who", [(), (("newtown", "admin"),), (("orderers", "admin"),) * 0])
def test_an_update_without_the_right_signature_is_refused(
    channel: ChannelConfig, signer: Signers, as_envelope: Any, who: tuple[tuple[str, str], ...]
) -> None:
    update = sign(timeout_update(channel.config, "700ms"), *(signer(*one) for one in who))
    with pytest.raises(ConfigUpdateError) as refused:
        propose(channel, as_envelope(update))
    assert str(refused.value) == (
        "error authorizing update: error validating DeltaSet: policy for [Value]  /Channel/Orderer/BatchTimeout "
        "not satisfied: implicit policy evaluation failed - 0 sub-policies were satisfied, but this policy requires "
        "1 of the 'Admins' sub-policies to be satisfied"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda u: u.read_set.__setattr__("version", 4), "be at version 4, but it is currently at version 0"),
        (lambda u: u.write_set.Clear(), "delta set was empty -- update would have no effect"),
        (lambda u: u.__setattr__("channel_id", "other"), "ConfigUpdate for channel 'other' but envelope for"),
        (
            lambda u: u.write_set.groups["Orderer"].values["BatchTimeout"].__setattr__("version", 9),
            "attempt to set key [Value]  /Channel/Orderer/BatchTimeout to version 9, but key is at version 0",
        ),
        (
            lambda u: u.write_set.groups["Orderer"].values["BatchTimeout"].__setattr__("mod_policy", ""),
            "invalid mod_policy for element [Value]  /Channel/Orderer/BatchTimeout: mod_policy not set",
        ),
        (
            lambda u: u.write_set.groups["Orderer"].values["New Thing"].SetInParent(),
            "config ID 'New Thing' contains illegal characters",
        ),
        (
            lambda u: u.read_set.groups["Gardens"].SetInParent(),
            "existing config does not contain element for [Group]  /Channel/Gardens but was in the read set",
        ),
    ],
)
def test_a_mistaken_update_is_refused_in_fabrics_words(
    channel: ChannelConfig, signer: Signers, as_envelope: Any, change: Callable[[Any], None], message: str
) -> None:
    update = timeout_update(channel.config, "700ms")
    change(update)
    with pytest.raises(ConfigUpdateError) as refused:
        propose(channel, as_envelope(sign(update, signer("orderers", "admin"))))
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("timeout", "message"),
    [("-1s", "set the batch timeout to a non-positive value: -1s"), ("abc", 'time: invalid duration "abc"')],
)
def test_a_configuration_that_makes_no_sense_has_no_successor(
    channel: ChannelConfig, signer: Signers, as_envelope: Any, timeout: str, message: str
) -> None:
    update = sign(timeout_update(channel.config, timeout), signer("orderers", "admin"))
    with pytest.raises(ChannelConfigError, match=message):
        channel.successor(propose(channel, as_envelope(update)).config)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("200ms", 0.2), ("1m30s", 90), ("1.5h", 5400), ("0", 0), ("-2s", -2), ("100us", 1e-4)],
)
def test_durations_are_gos(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == pytest.approx(seconds)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(max_size=200))
def test_bytes_from_the_network_never_crash_an_update(channel: ChannelConfig, junk: bytes) -> None:
    wrapped = configtx_pb2.ConfigUpdateEnvelope(config_update=junk).SerializeToString()
    header = common_pb2.ChannelHeader(type=common_pb2.CONFIG_UPDATE, channel_id="newtown").SerializeToString()
    for data in (junk, wrapped):
        payload = common_pb2.Payload(header=common_pb2.Header(channel_header=header), data=data)
        for content in (junk, payload.SerializeToString()):
            with pytest.raises(ConfigUpdateError):
                propose(channel, common_pb2.Envelope(payload=content))


@given(junk=st.binary(max_size=200))
def test_bytes_from_the_network_never_crash_a_join_block(junk: bytes) -> None:
    header = common_pb2.ChannelHeader(type=common_pb2.CONFIG, channel_id="newtown").SerializeToString()
    payload = common_pb2.Payload(
        header=common_pb2.Header(channel_header=header), data=junk
    ).SerializeToString()
    envelope = common_pb2.Envelope(payload=payload).SerializeToString()
    with pytest.raises(ChannelConfigError):
        ChannelConfig.from_block(common_pb2.Block(data=common_pb2.BlockData(data=[envelope])))
