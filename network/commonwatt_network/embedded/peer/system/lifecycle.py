# SPDX-License-Identifier: Apache-2.0
"""`_lifecycle`: who may call which function of it, and its responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from commonwatt_network.embedded.channels.proposals import Proposal
from commonwatt_network.embedded.lifecycle.functions import dispatch
from commonwatt_network.embedded.lifecycle.invocation import NAMESPACE, Invocation, LifecycleError
from commonwatt_network.embedded.lifecycle.package_store import PackageStore
from commonwatt_network.embedded.peer.channel import PeerChannel
from commonwatt_network.embedded.peer.system.responses import failure, success
from commonwatt_network.embedded.peer.views import AccessView
from commonwatt_network.embedded.simulation import Simulator
from commonwatt_network.embedded.trust.access import PEER_WIDE, AccessDenied


class InstallingPeer(AccessView, Protocol):
    """A peer with its packages and its organisation."""

    @property
    def mspid(self) -> str: ...

    @property
    def packages(self) -> PackageStore: ...

    def package_references(self, package_id: str) -> Mapping[str, list[tuple[str, str]]]:
        """The definitions that use an installed package: (name, version) by channel."""


def run_lifecycle(
    peer: InstallingPeer,
    channel: PeerChannel | None,
    proposal: Proposal,
    arguments: list[bytes],
    simulator: Simulator | None,
) -> Any:
    """The Response to a function name and its serialized arguments."""
    if not arguments:
        return failure("lifecycle scc must be invoked with arguments")
    if len(arguments) != 2:
        return failure(
            f"lifecycle scc operations require exactly two arguments but received {len(arguments)}"
        )
    function = arguments[0].decode(errors="replace")
    if channel is not None and not channel.config.application_capabilities & {"V2_0", "V2_5"}:
        return failure(
            f"cannot use new lifecycle for channel '{channel.channel_id}' as it does not have the required "
            "capabilities enabled"
        )
    try:
        _check_access(peer, channel, proposal, f"{NAMESPACE}/{function}")
    except AccessDenied as error:
        return failure(f"Failed to authorize invocation due to failed ACL check: {error}")
    invocation = Invocation(
        mspid=peer.mspid,
        channel_id=channel.channel_id if channel else "",
        packages=peer.packages,
        references=peer.package_references,
        config=channel.config if channel else None,
        simulator=simulator,
    )
    try:
        return success(dispatch(invocation, function, arguments[1]))
    except LifecycleError as error:
        return failure(str(error), error.status)


def _check_access(peer: AccessView, channel: PeerChannel | None, proposal: Proposal, resource: str) -> None:
    if resource in PEER_WIDE:
        peer.check_peer_access(resource, proposal)
    elif channel is None:
        raise AccessDenied(
            "Invalid channel ID name during check policy on signed data. Name must be different from nil."
        )
    else:
        peer.check_channel_access(resource, channel, proposal)
