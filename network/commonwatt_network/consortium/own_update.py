# SPDX-License-Identifier: Apache-2.0
"""Changes that Fabric lets an organisation make alone: of its own MSP, its own policies and its own addresses."""

from __future__ import annotations

from collections.abc import Callable

from commonwatt_client.admin import ChannelConfig, compute_update, sign_update

from commonwatt_network.consortium.growth import administrator, bring_into_force, own_peer
from commonwatt_network.consortium.host import OwnHost
from commonwatt_network.consortium.update import UpdateReview


async def update_alone(
    host: OwnHost,
    changed: Callable[[ChannelConfig], ChannelConfig],
    done: Callable[[ChannelConfig], None],
) -> None:
    """Have every channel of the organisation as `changed` says, signed by its administrator alone.

    `changed` leaves a configuration that is as it should be. `done` is told each channel's configuration once the own
    peer has it. Raises WaitingError while no orderer takes the update; the same call again goes on.
    """
    async with own_peer(host) as admin:
        for channel in sorted(await admin.list_channels()):
            config = await admin.fetch_config(channel)
            desired = changed(config)
            if desired.root != config.root:
                update = compute_update(config, desired)
                signature = await sign_update(update, *administrator(host))
                await bring_into_force(
                    host,
                    admin,
                    UpdateReview(config, desired, (), ()),
                    update,
                    [signature],
                    lambda found: changed(found).root == found.root,
                )
            done(desired)
