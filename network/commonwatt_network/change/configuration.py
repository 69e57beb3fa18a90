# SPDX-License-Identifier: Apache-2.0
"""Changing a channel's configuration while transactions go on; every edit may be asked for again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from commonwatt_client import Peer, Timeouts
from commonwatt_client.admin import (
    AdminError,
    AlreadyDoneError,
    ChannelConfig,
    InvalidInputError,
    OrderingClient,
    RefusedError,
    SignaturesMissingError,
    assemble_update,
    compute_update,
    sign_update,
)
from commonwatt_client.identity import Identity, load_identity
from commonwatt_client.signers import Signer, private_key_signer

from commonwatt_network.channels.deploy import peer_admin
from commonwatt_network.errors import NetworkError
from commonwatt_network.model.nodes import Nodes, Orderer
from commonwatt_network.model.nodes import Peer as NetworkPeer
from commonwatt_network.model.roster import ADMIN

PATIENCE_S = 30.0
CALL_TIMEOUT_S = 5.0
IN_FORCE_S = 3.0  # after that, another orderer is asked
POLL_S = 0.05


class ConfigurationChangeError(NetworkError):
    """A channel's configuration did not become what was asked for; the message says what the orderers answered."""


async def change_configuration(
    nodes: Nodes,
    channel: str,
    edit: Callable[[ChannelConfig], ChannelConfig],
    signers: Iterable[str],
) -> None:
    """Bring `edit` into force on `channel`, signed by the administrators of the organisations `signers`.

    `edit` gives back the configuration as it is when there is nothing to do, which ends the wait.
    """
    names = list(signers)
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    last: AdminError | None = None
    while asyncio.get_running_loop().time() < deadline:
        for orderer in nodes.orderers:
            try:
                async with ordering_client(nodes, orderer) as client:
                    await _bring_about(nodes, client, channel, edit, names)
                    return
            except (InvalidInputError, SignaturesMissingError) as error:
                raise ConfigurationChangeError(f"channel {channel}: {error}") from error
            except AdminError as error:
                last = error
        await asyncio.sleep(POLL_S)
    raise ConfigurationChangeError(
        f"the configuration of channel {channel} did not change within {PATIENCE_S:.0f} s: {last or 'no answer'}; "
        f"look into {nodes.layout.logs}, then run the same command again"
    )


async def _bring_about(
    nodes: Nodes,
    client: OrderingClient,
    channel: str,
    edit: Callable[[ChannelConfig], ChannelConfig],
    signers: list[str],
) -> None:
    try:
        current = await client.fetch_config(channel)
        update = compute_update(current, edit(current))
    except AlreadyDoneError:
        return
    identities = [administrator(nodes, name) for name in signers]
    signatures = [await sign_update(update, *identity) for identity in identities]
    await client.broadcast(await assemble_update(update, signatures, *identities[0]))
    deadline = asyncio.get_running_loop().time() + IN_FORCE_S
    while asyncio.get_running_loop().time() < deadline:
        try:
            current = await client.fetch_config(channel)
            compute_update(current, edit(current))
        except AlreadyDoneError:
            return
        await asyncio.sleep(POLL_S)
    raise RefusedError("ordered, but not in force yet", party=client.address)


async def known_to_peers(
    nodes: Nodes, channel: str, edit: Callable[[ChannelConfig], ChannelConfig], done: str
) -> None:
    """Comes back when each peer of the channel has the `edit` that orderers have in force; `done` says what it did.

    Raises ConfigurationChangeError.
    """

    async def known_to(peer: NetworkPeer) -> None:
        async with peer_admin(nodes, peer) as admin:
            while True:
                current = await admin.fetch_config(channel)
                try:
                    compute_update(current, edit(current))
                except AlreadyDoneError:
                    return
                await asyncio.sleep(POLL_S)

    try:
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(known_to(peer) for peer in nodes.peers_of(channel)))
    except (TimeoutError, AdminError) as error:
        raise ConfigurationChangeError(
            f"{done}, but not every peer of channel {channel} has taken it in ({error or 'no answer in time'}); "
            "start what does not run with `make network-up`: it will"
        ) from error


async def fetch_config_block(nodes: Nodes, channel: str, among: Iterable[Orderer]) -> bytes:
    """The newest configuration block of `channel`, from the first of the orderers that has it."""
    last: AdminError | None = None
    for orderer in among:
        try:
            async with ordering_client(nodes, orderer) as client:
                return (await client.fetch_config_block(channel)).serialized
        except AdminError as error:
            last = error
    raise ConfigurationChangeError(f"no orderer gives the configuration of channel {channel}: {last}")


def ordering_client(nodes: Nodes, orderer: Orderer) -> OrderingClient:
    """The orderer, spoken to as its own organisation's administrator."""
    identity, signer = administrator(nodes, orderer.organization)
    return OrderingClient(
        Peer(
            orderer.address,
            nodes.layout.tls_ca_certificate(orderer.organization),
            tls_server_name=orderer.name,
        ),
        identity=identity,
        signer=signer,
        timeouts=Timeouts(evaluate_s=CALL_TIMEOUT_S, submit_s=CALL_TIMEOUT_S),
    )


def administrator(nodes: Nodes, organization: str) -> tuple[Identity, Signer]:
    """Who signs for an organisation."""
    folder = nodes.layout.user(organization, ADMIN)
    identity = load_identity(nodes.topology.mspid(organization), folder / "certificate.pem")
    return identity, private_key_signer(folder / "private_key.pem")
