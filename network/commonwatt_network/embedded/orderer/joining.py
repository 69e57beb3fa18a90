# SPDX-License-Identifier: Apache-2.0
"""With which blocks an orderer may join a channel."""

from __future__ import annotations

from typing import Any

from commonwatt_network.embedded.channels.blocks import config_envelope_of, data_hash, header_hash
from commonwatt_network.embedded.channels.configuration import ChannelConfig, ChannelConfigError
from commonwatt_network.embedded.channels.updates import ConfigUpdateError, validate_channel_id
from commonwatt_network.embedded.orderer.ordering import OrderedChannel


class JoinError(Exception):
    """A block cannot be joined with; the message is Fabric's."""


class ChannelExists(JoinError):
    """The orderer has joined the channel before."""


class InvalidJoinBlock(JoinError):
    """The block is not a usable configuration block of an application channel."""


def validate_join_block(block: Any) -> ChannelConfig:
    """The configuration in a block that an orderer may join with. Raises InvalidJoinBlock."""
    if config_envelope_of(block) is None:
        raise InvalidJoinBlock("block is not a config block")
    if not block.metadata.metadata:
        raise InvalidJoinBlock("invalid block: does not have metadata")
    if data_hash(block.data.data) != block.header.data_hash:
        raise InvalidJoinBlock("invalid block: Header.DataHash is different from Hash(block.Data)")
    try:
        config = ChannelConfig.from_block(block)
        validate_channel_id(config.channel_id)
    except ConfigUpdateError as error:
        raise InvalidJoinBlock(f"initializing configtx manager failed: bad channel ID: {error}") from error
    except ChannelConfigError as error:
        raise InvalidJoinBlock(str(error)) from error
    groups = config.config.channel_group.groups
    if "Consortiums" in groups:
        raise InvalidJoinBlock("invalid config: contains consortiums: system channel not supported")
    if "Application" not in groups:
        raise InvalidJoinBlock("invalid config: must contain application config")
    return config


def demand_same_block(channel: OrderedChannel, block: Any) -> None:
    """Raises JoinError unless the orderers beside this one hold the same block."""
    number = block.header.number
    if number < channel.height and header_hash(channel.store.block(number).header) == header_hash(
        block.header
    ):
        return
    raise JoinError(
        f"block {number} is not the one that the other orderers of this process hold for {channel.channel_id}"
    )
