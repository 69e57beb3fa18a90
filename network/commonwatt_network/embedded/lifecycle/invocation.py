# SPDX-License-Identifier: Apache-2.0
"""One call of a lifecycle function: on whose behalf, on which channel, over which state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from commonwatt_network.embedded.channels.configuration import ChannelConfig
from commonwatt_network.embedded.lifecycle.collections import implicit_collection_name
from commonwatt_network.embedded.lifecycle.package_store import PackageStore
from commonwatt_network.embedded.simulation import Simulator

NAMESPACE = "_lifecycle"
DEFAULT_POLICY_REFERENCE = "/Channel/Application/Endorsement"
LIFECYCLE_POLICY_REFERENCE = "/Channel/Application/LifecycleEndorsement"


class LifecycleError(Exception):
    """A lifecycle function refuses; the message is Fabric's. `status` is the response's."""

    def __init__(self, message: str, status: int = 500) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Invocation:
    """One call of a lifecycle function. `config` and `simulator` are None for calls without a channel."""

    mspid: str
    channel_id: str
    packages: PackageStore
    references: Callable[[str], Mapping[str, list[tuple[str, str]]]]
    config: ChannelConfig | None
    simulator: Simulator | None

    @property
    def channel(self) -> ChannelConfig:
        if self.config is None:
            raise LifecycleError(f"no application config for channel '{self.channel_id}'")
        return self.config

    @property
    def state(self) -> Simulator:
        if self.simulator is None:
            raise LifecycleError("invalid channel-less operation")
        return self.simulator

    def read(self, key: str) -> bytes | None:
        return self.state.get_state(NAMESPACE, key)

    def write(self, key: str, value: bytes) -> None:
        self.state.set_state(NAMESPACE, key, value)

    def read_own(self, key: str) -> bytes | None:
        return self.state.get_private(NAMESPACE, implicit_collection_name(self.mspid), key)

    def write_own(self, key: str, value: bytes) -> None:
        self.state.set_private(NAMESPACE, implicit_collection_name(self.mspid), key, value)

    def read_hash(self, mspid: str) -> Callable[[str], bytes | None]:
        collection = implicit_collection_name(mspid)
        return lambda key: self.state.get_private_hash(NAMESPACE, collection, key)
