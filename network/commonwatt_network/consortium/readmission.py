# SPDX-License-Identifier: Apache-2.0
"""An orderer that lost its log comes back: out of each channel's consenters, and in again with another certificate.

Raft relies on a voter's memory of what it voted for and acknowledged. An orderer from a backup has lost some of it,
so it never votes again as who it was. The channel gives it a new Raft id, and it fetches its whole log from the
others (Ongaro, "Consensus: Bridging Theory and Practice", 2014, chapter 4). Fabric takes one certificate for another
within one update as a renewal that keeps the Raft id; hence two updates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from commonwatt_client.admin import (
    AdminError,
    ChannelConfig,
    Consenter,
    PeerAdmin,
    add_consenter,
    compute_update,
    remove_consenter,
    sign_update,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from commonwatt_network.consortium.bundle import Bundle
from commonwatt_network.consortium.growth import (
    administrator,
    bring_into_force,
    own_peer,
    refuse_mistakes,
)
from commonwatt_network.consortium.host import OwnHost
from commonwatt_network.consortium.membership import Say
from commonwatt_network.consortium.review import mistakes_of
from commonwatt_network.consortium.update import (
    TooFewSignaturesError,
    UpdateError,
    UpdateReview,
    applied,
    read_signatures,
    refuse_too_few,
)
from commonwatt_network.model.layout import PUBLIC_FILE, write_atomically
from commonwatt_network.trust.certificates import key_bytes


@dataclass(frozen=True)
class Step:
    """One update of a channel; `consenters` are as it leaves them."""

    review: UpdateReview
    update: bytes

    @property
    def consenters(self) -> tuple[Consenter, ...]:
        return self.review.desired.consenters


@dataclass(frozen=True)
class Purpose:
    """What members sign for, by the `verb` of their command.

    `following` gives the configuration after the next update, None when there is nothing left to do. `refuse` raises
    UpdateError for a bundle that says too much. `done` is what to say where nothing is to do.
    """

    verb: str
    following: Callable[[ChannelConfig, Bundle], ChannelConfig | None]
    refuse: Callable[[ChannelConfig, Bundle], None]
    done: str


UNCHANGED = (
    "nothing to sign, the bundle has the certificates that the channel knows; after a restore, {name} exports its "
    "bundle anew"
)


async def readmit(host: OwnHost, bundle: Bundle, exchange: Path, say: Say) -> None:
    """Sign for the bundle's orderers on every channel of this host; with enough signatures, take them out and in.

    Every member makes the updates itself, from its own peer's configuration: only signatures pass by `exchange`, and
    the member that completes them also writes the block to join with. Raises UpdateError, WaitingError.
    """
    await carry_out(host, bundle, exchange, say, Purpose("readmit", _next, _refuse_moved, UNCHANGED))


async def carry_out(host: OwnHost, bundle: Bundle, exchange: Path, say: Say, purpose: Purpose) -> None:
    """Sign for what the purpose makes of every channel that the bundle's organisation orders, as `readmit` does."""
    ordered = 0
    async with own_peer(host) as admin:
        for channel in sorted(await admin.list_channels()):
            config = await admin.fetch_config(channel)
            if any(each.mspid == bundle.mspid for each in config.orderer_organizations.values()):
                ordered += 1
                await _sign_for(host, admin, config, bundle, exchange, say, purpose)
    if not ordered:
        raise UpdateError(f"{bundle.name} ({bundle.mspid}) orders none of the channels of {host.name}")


def steps_of(config: ChannelConfig, bundle: Bundle, purpose: Purpose | None = None) -> list[Step]:
    """The updates that readmit the bundle's orderers, in order; none for those that are in with these certificates.

    Raises UpdateError for a bundle that says something foreign of its organisation.
    """
    purpose = purpose or Purpose("readmit", _next, _refuse_moved, UNCHANGED)
    _refuse_foreign(config, bundle)
    purpose.refuse(config, bundle)
    steps = []
    try:
        while (desired := purpose.following(config, bundle)) is not None:
            update = compute_update(config, desired)
            after = applied(config, update)
            words = tuple(_words(config, after))
            steps.append(Step(UpdateReview(config, after, words, mistakes_of(after)), update))
            config = after
    except AdminError as error:
        hint = (
            "; where no others order, restore with --keep-logs instead" if purpose.verb == "readmit" else ""
        )
        raise UpdateError(
            f"channel {config.channel} does not {purpose.verb} {bundle.name}: {error}{hint}"
        ) from error
    return steps


async def _sign_for(
    host: OwnHost,
    admin: PeerAdmin,
    config: ChannelConfig,
    bundle: Bundle,
    exchange: Path,
    say: Say,
    purpose: Purpose,
) -> None:
    channel = config.channel
    steps = steps_of(config, bundle, purpose)
    if not steps:
        say(f"channel {channel}: {purpose.done.format(name=bundle.name)}")
    for step in steps:
        refuse_mistakes(step.review)
        for words in step.review.words:
            say(f"channel {channel}: {words}")
        path = _path(exchange, bundle, step)
        write_atomically(
            path.with_name(f"{path.name}.{host.mspid}"), await _signature(host, step), PUBLIC_FILE
        )
    try:
        signatures = [_signatures(exchange, bundle, step, purpose.verb) for step in steps]
    except TooFewSignaturesError as error:
        say(f"channel {channel}: {error}")
        return
    for number, (step, signed) in enumerate(zip(steps, signatures, strict=True)):
        await bring_into_force(host, admin, step.review, step.update, signed, _reached(steps[number:]))
    block = await admin.fetch_config_block(channel)
    output = exchange / f"{bundle.name}.{channel}.block"
    write_atomically(output, block.serialized, PUBLIC_FILE)
    say(
        f"channel {channel}: {bundle.name}'s orderers are in with these certificates; they join with {output}; "
        f"fingerprint {block.header_hash.hex()}"
    )


def _next(config: ChannelConfig, bundle: Bundle) -> ChannelConfig | None:
    present = {each.address: each for each in config.consenters}
    for orderer in bundle.orderers:
        certificate = orderer.tls_certificate.encode()
        consenter = Consenter(orderer.host, orderer.port, certificate, certificate)
        if orderer.address not in present:
            return add_consenter(config, consenter)
        if present[orderer.address] != consenter:
            return remove_consenter(config, orderer.address)
    return None


def _refuse_foreign(config: ChannelConfig, bundle: Bundle) -> None:
    """The bundle must be of the very organisation that the channel knows."""
    known = next(each for each in config.orderer_organizations.values() if each.mspid == bundle.mspid)
    if not bundle.is_of(known):
        raise UpdateError(
            f"the bundle of {bundle.name} is foreign: channel {config.channel} knows other authorities of "
            f"{bundle.mspid}"
        )


def _refuse_moved(config: ChannelConfig, bundle: Bundle) -> None:
    known = next(each for each in config.orderer_organizations.values() if each.mspid == bundle.mspid)
    unknown = sorted({each.address for each in bundle.orderers} - set(known.orderer_endpoints))
    if unknown:
        raise UpdateError(
            f"channel {config.channel} knows no orderer {unknown[0]} of {bundle.mspid}: a lost orderer comes back at "
            "the address that it had"
        )


def _words(config: ChannelConfig, after: ChannelConfig) -> Iterator[str]:
    before, then = set(config.consenters), set(after.consenters)
    keys = {_public_key(each): each for each in before - then}
    for came in list(then - before):
        gone = keys.get(_public_key(came))
        if gone is not None:  # one consenter, elsewhere or with another certificate for its key
            yield f"the orderer {gone.address} is at {came.address}, certificate {_fingerprint(came)}"
            before.remove(gone)
            then.remove(came)
    for gone in before - then:
        yield f"takes out the orderer {gone.address}, certificate {_fingerprint(gone)}"
    for came in then - before:
        yield f"takes in the orderer {came.address}, certificate {_fingerprint(came)}"


def _public_key(consenter: Consenter) -> bytes:
    certificate = x509.load_pem_x509_certificate(consenter.server_tls_certificate)
    return key_bytes(certificate)


def _fingerprint(consenter: Consenter) -> str:
    certificate = x509.load_pem_x509_certificate(consenter.server_tls_certificate)
    return certificate.fingerprint(hashes.SHA256()).hex()[:16]


def _path(exchange: Path, bundle: Bundle, step: Step) -> Path:
    """Beside which signatures lie; another update, made from another configuration, has another name."""
    name = f"{bundle.name}.{step.review.current.channel}.{sha256(step.update).hexdigest()[:16]}"
    return exchange / f"{name}.update"


async def _signature(host: OwnHost, step: Step) -> bytes:
    return await sign_update(step.update, *administrator(host))


def _signatures(exchange: Path, bundle: Bundle, step: Step, verb: str) -> list[bytes]:
    signatures = list(read_signatures(_path(exchange, bundle, step)).values())
    refuse_too_few(step.review, step.update, signatures, f"commonwatt consortium {verb} {bundle.name}")
    return signatures


def _reached(steps: Sequence[Step]) -> Callable[[ChannelConfig], bool]:
    """Whether the first of these is in force, or a later one: another member may submit them at this moment."""
    return lambda config: config.consenters in [step.consenters for step in steps]
