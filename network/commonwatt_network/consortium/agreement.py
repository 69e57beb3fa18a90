# SPDX-License-Identifier: Apache-2.0
"""Orderers that come, go, move or have a renewed certificate: the members agree to what an organisation's bundle says.

Orderers know each other by their public keys. An orderer with the key that a channel knows is that orderer, wherever it
is now; it keeps its place in Raft. A key that no channel knows is another orderer. One that lost its log has to be
readmitted instead.
"""

from __future__ import annotations

from pathlib import Path

from commonwatt_client.admin import (
    ChannelConfig,
    Consenter,
    add_consenter,
    remove_consenter,
    replace_consenter,
)
from cryptography import x509

from commonwatt_network.consortium.bundle import Bundle, BundledOrderer
from commonwatt_network.consortium.host import OwnHost
from commonwatt_network.consortium.membership import Say
from commonwatt_network.consortium.readmission import Purpose, carry_out
from commonwatt_network.consortium.update import UpdateError
from commonwatt_network.trust.certificates import key_bytes, signed

NOTHING = "nothing to sign, the channel has {name}'s orderers as the bundle says"


async def agree(host: OwnHost, bundle: Bundle, exchange: Path, say: Say) -> None:
    """Sign for the bundle's orderers on every channel of this host, and bring it into force with enough signatures.

    As with `readmit`, every member makes the updates itself, and signatures alone pass by `exchange`. Raises
    UpdateError, WaitingError.
    """
    await carry_out(host, bundle, exchange, say, Purpose("agree", following, _refuse_taken, NOTHING))


def following(config: ChannelConfig, bundle: Bundle) -> ChannelConfig | None:
    """The configuration after the next update of one orderer: those that moved, then those that come, then that go."""
    own = {key(each): each for each in config.consenters if issued_to(bundle, each)}
    wanted = {key(each): each for each in map(_consenter, bundle.orderers)}
    for each, consenter in wanted.items():
        if each in own and own[each] != consenter:
            return replace_consenter(config, own[each].address, consenter)
    for each, consenter in wanted.items():
        if each not in own:
            return add_consenter(config, consenter)
    for each, consenter in own.items():
        if each not in wanted:
            return remove_consenter(config, consenter.address)
    return None


def key(consenter: Consenter) -> bytes:
    """The public key in a consenter's certificate."""
    return key_bytes(x509.load_pem_x509_certificate(consenter.server_tls_certificate))


def issued_to(bundle: Bundle, consenter: Consenter) -> bool:
    """Whether the consenter is one of the bundle's organisation: an authority of it issued the certificate."""
    certificate = x509.load_pem_x509_certificate(consenter.server_tls_certificate)
    return any(
        signed(certificate, x509.load_pem_x509_certificate(pem.encode())) for pem in bundle.tls_authorities
    )


def _consenter(orderer: BundledOrderer) -> Consenter:
    certificate = orderer.tls_certificate.encode()
    return Consenter(orderer.host, orderer.port, certificate, certificate)


def _refuse_taken(config: ChannelConfig, bundle: Bundle) -> None:
    """What another organisation has stays its own, and an address keeps its key unless the orderer is readmitted."""
    wanted = {each.address: each for each in map(_consenter, bundle.orderers)}
    for present in config.consenters:
        claimed = wanted.get(present.address)
        if claimed is None or key(claimed) == key(present):
            continue
        if issued_to(bundle, present):
            raise UpdateError(
                f"the orderer {present.address} has another key than channel {config.channel} knows: where it lost its "
                f"log, let the members do `commonwatt consortium readmit {bundle.name}`"
            )
        raise UpdateError(f"{present.address} is another organisation's orderer on channel {config.channel}")
