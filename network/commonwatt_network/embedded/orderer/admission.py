# SPDX-License-Identifier: Apache-2.0
"""What an orderer checks of an envelope before it accepts it for ordering.

Fabric's order: emptiness, size, the identity's expiry, then the signature under the channel's Writers policy;
updates of the configuration are also tried on the configuration in force.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fabric_protos.common import common_pb2

from commonwatt_network.embedded.channels.blocks import BlockError, headers_of
from commonwatt_network.embedded.channels.configuration import ChannelConfig, ChannelConfigError
from commonwatt_network.embedded.channels.updates import ConfigUpdateError, propose_config_update
from commonwatt_network.embedded.orderer.consenters import ConsenterError, validate_consenter_update
from commonwatt_network.embedded.trust.msp import IdentityError
from commonwatt_network.embedded.trust.policies import PolicyError, SignedData
from commonwatt_network.embedded.trust.signing import SigningIdentity

Status = common_pb2.Status


class Rejection(Exception):
    """An envelope is not accepted: `status` is a `common.Status`, `info` Fabric's text."""

    def __init__(self, status: int, info: str) -> None:
        super().__init__(info)
        self.status = status
        self.info = info


def check_envelope(config: ChannelConfig, envelope: Any) -> None:
    """Raises Rejection unless `envelope` may be ordered under `config`."""
    if not config.consensus_state_normal:
        raise Rejection(Status.SERVICE_UNAVAILABLE, "normal transactions are rejected: maintenance mode")
    _apply_filters(config, envelope)


def check_config_update(config: ChannelConfig, envelope: Any, signer: SigningIdentity) -> Any:
    """The CONFIG envelope, signed by the orderer, that a CONFIG_UPDATE envelope becomes. Raises Rejection."""
    try:
        _apply_filters(config, envelope)
    except Rejection as error:
        raise Rejection(
            error.status, f"config update for existing channel did not pass initial checks: {error.info}"
        ) from error
    try:
        proposed = propose_config_update(config.channel_id, config.config, config.policies, envelope)
        successor = config.successor(proposed.config)
        validate_consenter_update(config, successor)
    except (ConfigUpdateError, ChannelConfigError, ConsenterError) as error:
        raise Rejection(
            Status.BAD_REQUEST,
            f"error applying config update to existing channel '{config.channel_id}': {error}",
        ) from error
    made = _config_envelope(config.channel_id, proposed, signer)
    try:
        _apply_filters(config, made)
    except Rejection as error:
        raise Rejection(
            error.status, f"config update for existing channel did not pass final checks: {error.info}"
        ) from error
    return made


def _apply_filters(config: ChannelConfig, envelope: Any) -> None:
    if not envelope.payload:
        raise Rejection(Status.BAD_REQUEST, "Message was empty")
    size = len(envelope.payload) + len(envelope.signature)
    limit = config.batch_size.absolute_max_bytes
    if size > limit:
        raise Rejection(
            Status.BAD_REQUEST,
            f"message payload is {size} bytes and exceeds maximum allowed {limit} bytes",
        )
    try:
        _, _, signature_header = headers_of(envelope)
    except BlockError as error:
        raise Rejection(Status.BAD_REQUEST, f"could not convert message to signedData: {error}") from error
    _check_expiry(config, signature_header.creator)
    reference = "/Channel/Writers" if config.consensus_state_normal else "/Channel/Orderer/Writers"
    if reference not in config.policies:
        raise Rejection(Status.BAD_REQUEST, f"could not find policy {reference}")
    signed = SignedData(envelope.payload, signature_header.creator, envelope.signature)
    try:
        config.policies.get(reference).evaluate([signed])
    except PolicyError as error:
        raise Rejection(Status.FORBIDDEN, f"{error}: permission denied") from error


def _check_expiry(config: ChannelConfig, creator: bytes) -> None:
    try:
        expires_at = config.registry.deserialize(creator).expires_at
    except IdentityError:
        return  # the policy will refuse it
    if expires_at <= datetime.now(UTC):
        raise Rejection(Status.BAD_REQUEST, "broadcast client identity expired")


def _config_envelope(channel_id: str, proposed: Any, signer: SigningIdentity) -> Any:
    header = common_pb2.ChannelHeader(type=common_pb2.CONFIG, channel_id=channel_id)
    header.timestamp.GetCurrentTime()
    payload = common_pb2.Payload(
        header=common_pb2.Header(
            channel_header=header.SerializeToString(), signature_header=signer.signature_header()
        ),
        data=proposed.SerializeToString(),
    ).SerializeToString()
    return common_pb2.Envelope(payload=payload, signature=signer.sign(payload))
