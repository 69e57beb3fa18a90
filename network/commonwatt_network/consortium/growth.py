# SPDX-License-Identifier: Apache-2.0
"""One organisation's steps when a running channel takes in another: propose, sign, submit. Each can be repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from commonwatt_client import Peer, Timeouts
from commonwatt_client.admin import (
    AdminError,
    ChannelConfig,
    OrderingClient,
    PeerAdmin,
    RefusedError,
    TimedOutError,
    sign_update,
    wait_for_config,
)
from commonwatt_client.identity import Identity, load_identity
from commonwatt_client.signers import Signer, private_key_signer

from commonwatt_network.channels.deploy import peer_admin
from commonwatt_network.consortium.bundle import Bundle
from commonwatt_network.consortium.host import OwnHost, require_running
from commonwatt_network.consortium.membership import (
    Say,
    WaitingError,
    committed_definition,
    silent_orderers,
)
from commonwatt_network.consortium.review import review_block
from commonwatt_network.consortium.update import (
    UpdateError,
    UpdateReview,
    channel_of,
    in_force,
    read_signatures,
    refuse_too_few,
    review_update,
    signed_envelope,
    taking_in,
)
from commonwatt_network.errors import UsageError
from commonwatt_network.model.forward_market import FORWARD, market_of
from commonwatt_network.model.layout import PUBLIC_FILE, write_atomically
from commonwatt_network.model.roster import ADMIN

IN_FORCE_S = 20.0
LEVEL_S = 5.0  # for the own peer to have a block that the orderers have
CALL_TIMEOUT_S = 5.0
TAKEN_S = 20.0  # for orderers to have a leader, and to know which of them are there
POLL_S = 0.5


async def propose(host: OwnHost, channel: str, bundle: Bundle, output: Path, say: Say) -> None:
    """Write the update that takes the organisation in. Raises UpdateError, BundleError; nothing is changed."""
    async with own_peer(host) as admin:
        config = await admin.fetch_config(channel)
        if bundle.mspid not in config.application_organizations:
            await refuse_forward(host, admin, channel)
    if bundle.mspid in config.application_organizations:
        say(f"{bundle.name} ({bundle.mspid}) is a member of channel {channel} already")
        return
    update = taking_in(config, bundle)
    if output.exists() and output.read_bytes() != update:  # noqa: ASYNC240  nothing else runs in this loop
        raise UpdateError(f"{output} holds something else; nothing was written: name another file")
    write_atomically(output, update, PUBLIC_FILE)
    say(f"{bundle.name} ({bundle.mspid}): bundle {bundle.fingerprint}")
    for words in review_update(config, update).words:
        say(f"- {words}")
    say(f"the update is in {output}")


async def review(host: OwnHost, update: bytes) -> UpdateReview | None:
    """The update against the configuration in force; None when it is in force itself. Raises UpdateError."""
    async with own_peer(host) as admin:
        config = await _config(admin, update)
    return None if in_force(config, update) else review_update(config, update)


async def sign(host: OwnHost, path: Path, update: bytes, say: Say) -> None:
    """Write this organisation's signature beside the update. Raises UpdateError for one that must not be signed."""
    reviewed = await review(host, update)
    if reviewed is None:
        say(f"the update {path} is in force")
        return
    refuse_mistakes(reviewed)
    async with own_peer(host) as admin:
        await refuse_forward(host, admin, reviewed.current.channel)
    if host.mspid in read_signatures(path):
        say(f"{host.mspid} had signed {path}")
        return
    signature = await sign_update(update, *administrator(host))
    file = path.with_name(f"{path.name}.{host.mspid}")
    write_atomically(file, signature, PUBLIC_FILE)
    say(f"{host.mspid} signed {path}: its signature is in {file}")


async def submit(host: OwnHost, path: Path, update: bytes, output: Path, say: Say) -> None:
    """Bring the update into force, and write the block that has it, by which the newcomer joins.

    Raises UpdateError naming who is missing when too few have signed; WaitingError while no orderer takes it.
    """
    reviewed = await review(host, update)
    refuse_other_content(output, str(channel_of(update)))
    async with own_peer(host) as admin:
        if reviewed is not None:
            refuse_mistakes(reviewed)
            signatures = read_signatures(path)
            refuse_too_few(reviewed, update, list(signatures.values()))
            channel = reviewed.current.channel
            await bring_into_force(
                host,
                admin,
                reviewed,
                update,
                list(signatures.values()),
                lambda config: in_force(config, update),
            )
            say(f"signed by {', '.join(sorted(signatures))}; in force on channel {channel}")
        else:
            channel = str(channel_of(update))
            say(f"the update {path} is in force on channel {channel}")
        block = await admin.fetch_config_block(channel)
    write_atomically(output, block.serialized, PUBLIC_FILE)
    say(f"the newcomer joins with {output}; fingerprint {block.header_hash.hex()}")


async def bring_into_force(
    host: OwnHost,
    admin: PeerAdmin,
    reviewed: UpdateReview,
    update: bytes,
    signatures: list[bytes],
    reached: Callable[[ChannelConfig], bool],
) -> None:
    """Have the update ordered, and wait until the own peer's configuration is as `reached` says.

    Raises WaitingError, RefusedError, TimedOutError.
    """
    refused = await _order(host, reviewed, update, signatures)
    try:
        await wait_for_config(
            lambda: admin.fetch_config(reviewed.current.channel),
            reached,
            timeout_s=LEVEL_S if refused else IN_FORCE_S,
        )
    except TimedOutError:
        if refused:
            raise refused from None
        raise


def refuse_other_content(output: Path, channel: str) -> None:
    """Raise UpdateError where anything would be lost but the block of an earlier submission."""
    if not output.exists():
        return
    try:
        kept = review_block(output.read_bytes(), first=False)
    except (OSError, UsageError) as error:
        raise UpdateError(f"{output} holds something else; nothing was changed: name another file") from error
    if kept.config.channel != channel or kept.number == 0:
        raise UpdateError(f"{output} holds another block; nothing was changed: name another file")


async def refuse_forward(host: OwnHost, admin: PeerAdmin, channel: str) -> None:
    """Raise UpdateError where the channel has a forward market: nobody comes to its two organisations."""
    definition = await committed_definition(admin, channel, host.description.chaincode.name)
    if definition is not None and market_of(definition) == FORWARD:
        raise UpdateError(
            f"channel {channel} has a forward market, whose messages go to the two organisations that it has; nothing "
            "was written: let the newcomer have a channel of its own"
        )


def refuse_mistakes(reviewed: UpdateReview) -> None:
    """Raise UpdateError for an update that a member must not sign."""
    if reviewed.mistakes:
        raise UpdateError(f"nothing was done, the update is mistaken: {'; '.join(reviewed.mistakes)}")


async def _order(
    host: OwnHost, reviewed: UpdateReview, update: bytes, signatures: list[bytes]
) -> RefusedError | None:
    """Hand the update to the first of the channel's orderers that takes it, once one does.

    They don't while they elect a leader, or while too few of them have heard of each other again after one was away.
    What they said when they refused it: another member may have submitted it at this moment, and then it is in force.
    """
    identity, signer = administrator(host)
    envelope = await signed_envelope(reviewed, update, signatures, identity, signer)
    deadline = asyncio.get_running_loop().time() + TAKEN_S
    while True:
        failure = await _offer(reviewed.current, envelope, identity, signer)
        if failure is None or isinstance(failure, RefusedError):
            return failure
        if asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(POLL_S)
    silent = ", ".join(await silent_orderers(reviewed.current)) or "none, but there is no leader"
    raise WaitingError(
        f"no orderer took the update; silent: {silent}; {failure}. The same command again goes on from here"
    )


async def _offer(
    config: ChannelConfig, envelope: bytes, identity: Identity, signer: Signer
) -> AdminError | None:
    """Offer an envelope to one orderer after the other; None once one took it, or what they said, a refusal first."""
    said: AdminError | None = None
    for organization in config.orderer_organizations.values():
        for address in organization.orderer_endpoints:
            client = OrderingClient(
                Peer(address, b"".join(organization.tls_root_certificates)),
                identity=identity,
                signer=signer,
                timeouts=Timeouts(evaluate_s=CALL_TIMEOUT_S, submit_s=CALL_TIMEOUT_S),
            )
            try:
                async with client:
                    await client.broadcast(envelope)
                    return None
            except AdminError as error:
                said = said if isinstance(said, RefusedError) else error
    return said


async def _config(admin: PeerAdmin, update: bytes) -> ChannelConfig:
    channel = channel_of(update)
    if channel is None:
        raise UpdateError("this is no configuration update (common.ConfigUpdate)")
    return await admin.fetch_config(channel)


def own_peer(host: OwnHost) -> PeerAdmin:
    """The organisation's first peer, as its administrator. Raises UsageError while something does not run."""
    require_running(host)
    return peer_admin(host, host.peers[0])


def administrator(host: OwnHost) -> tuple[Identity, Signer]:
    """Who signs for the organisation."""
    folder = host.layout.user(host.name, ADMIN)
    identity = load_identity(host.mspid, folder / "certificate.pem")
    return identity, private_key_signer(folder / "private_key.pem")
