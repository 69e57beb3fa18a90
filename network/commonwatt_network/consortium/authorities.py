# SPDX-License-Identifier: Apache-2.0
"""An organisation's authorities renewed, or others in their place, while its channels know it.

Fabric lets the organisation's administrator change its own MSP alone. Channels learn of the new authorities first, by
one update with the Readers policy, which names a path of authorities by its hash. Certificates of the former ones count
until they are dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from commonwatt_client.admin import ChannelConfig
from cryptography import x509

from commonwatt_network.channels.readers import with_authorities, with_tls_authorities
from commonwatt_network.consortium.bundle import own_bundle
from commonwatt_network.consortium.certification import read_chain, refuse_one_key
from commonwatt_network.consortium.host import OwnHost, init_host
from commonwatt_network.consortium.membership import Say
from commonwatt_network.consortium.own_update import update_alone
from commonwatt_network.consortium.renewal import agree_on_package, holders, restart
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import write_atomically
from commonwatt_network.model.state import exclusive
from commonwatt_network.trust.certificates import KeyPair, key_bytes, signed
from commonwatt_network.trust.chains import keep_chain
from commonwatt_network.trust.further import (
    ENROLMENT,
    TLS,
    keep_further,
    pem_of,
    refuse_below_issuing,
    refuse_later,
    roots_and_intermediates,
)
from commonwatt_network.trust.identity import Authorities, ensure_organization
from commonwatt_network.trust.pairs import write_pair

Chain = tuple[x509.Certificate, ...]  # from the authority that issues to its root
FORMER_KEY = "former.key"


async def renew_authorities(host: OwnHost, enrolment: Path | None, tls: Path | None, say: Say) -> None:
    """Let the authorities in these files (PEM, up to the root) issue from now on; those before them go on to count.

    One with the key of an authority that is known is that one renewed, and takes its place. The same call again
    finishes an interrupted one. Raises UsageError before anything is changed, WaitingError.
    """
    own = ensure_organization(host.layout, host.name)
    chains = {kind: _chain(pair) for kind, pair in _pairs(own).items()}
    given = {
        kind: read_chain(path) for kind, path in ((ENROLMENT, enrolment), (TLS, tls)) if path is not None
    }
    if not given:
        raise UsageError("name the authority for identities, or for TLS, or both")
    after = chains | given
    refuse_one_key(after[ENROLMENT][0], after[TLS][0])
    beside = {
        kind: [
            each
            for each in (*chains[kind], *pair.beside)
            if key_bytes(each) not in map(key_bytes, after[kind])
        ]
        for kind, pair in _pairs(own).items()
    }
    before = (*chains[ENROLMENT], *own.enrolment.beside)
    refuse_below_issuing(before, (*after[ENROLMENT], *beside[ENROLMENT]))
    refuse_later(before, after[ENROLMENT])
    await _settle(host, after, beside, say)


async def drop_former(host: OwnHost, say: Say) -> None:
    """Let no certificate count any more that another authority issued than the one that issues now.

    Raises UsageError before anything is changed where one of them is in use.
    """
    own = ensure_organization(host.layout, host.name)
    for holder in holders(host):
        for kind, pairs in ((ENROLMENT, holder.enrolment), (TLS, holder.tls)):
            issuing = _pairs(own)[kind].certificate
            for pair in pairs:
                certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
                if not signed(certificate, issuing):
                    raise UsageError(
                        f"{holder.name} has a certificate of {certificate.issuer.rfc4514_string()} still; renew it "
                        "with `commonwatt org renew --before-days 365`, or `org request` and `org certify`"
                    )
    chains = {kind: _chain(pair) for kind, pair in _pairs(own).items()}
    await _settle(host, chains, {ENROLMENT: [], TLS: []}, say)
    for kind in (ENROLMENT, TLS):
        (host.layout.organization(host.name) / kind / FORMER_KEY).unlink(missing_ok=True)


async def _settle(
    host: OwnHost, chains: Mapping[str, Chain], beside: Mapping[str, Sequence[x509.Certificate]], say: Say
) -> None:
    """On the channels, then on this host, then in its nodes."""
    trusted = {kind: roots_and_intermediates([*_from_root(chains[kind]), *beside[kind]]) for kind in chains}

    def changed(config: ChannelConfig) -> ChannelConfig:
        _refuse_consenters(config, host, [*chains[TLS], *beside[TLS]])
        config = with_authorities(config, host.mspid, *trusted[ENROLMENT])
        return with_tls_authorities(config, host.mspid, *trusted[TLS])

    await update_alone(
        host,
        changed,
        lambda config: say(f"channel {config.channel} knows {host.name}'s authorities as they are now"),
    )
    package = host.package.package_id
    with exclusive(host.layout):
        for kind in chains:
            _keep(host, kind, chains[kind], beside[kind])
    init_host(host.description, host.layout.directory)
    _show(host, chains[TLS])
    if host.in_containers:
        say(
            "the containers have yet to take notice: repeat `commonwatt org render`, then start them again under "
            f"{host.description.backend}"
        )
        return
    for node in host.fabric_nodes:
        await restart(host, [node.name])
    if host.package.package_id != package:
        await restart(host, [server.name for server in host.chaincode_servers])
        await agree_on_package(host, say)


def _refuse_consenters(config: ChannelConfig, host: OwnHost, authorities: Sequence[x509.Certificate]) -> None:
    """Orderers refuse a configuration that has an orderer's certificate of an authority that it has not."""
    before = own_bundle(host).tls_authorities
    known = [x509.load_pem_x509_certificate(pem.encode()) for pem in before]
    for consenter in config.consenters:
        certificate = x509.load_pem_x509_certificate(consenter.server_tls_certificate)
        own = any(signed(certificate, each) for each in known)
        if own and not any(signed(certificate, each) for each in authorities):
            raise UsageError(
                f"channel {config.channel} has a certificate of {certificate.issuer.rfc4514_string()} for the orderer "
                f"{consenter.address}: let the members do `commonwatt consortium agree {host.name}` first"
            )


def _keep(host: OwnHost, kind: str, chain: Chain, beside: Sequence[x509.Certificate]) -> None:
    folder = host.layout.organization(host.name) / kind
    key = folder / "ca.key"
    own = _pairs(ensure_organization(host.layout, host.name))[kind]
    if key.exists() and key_bytes(own.certificate) != key_bytes(chain[0]):
        key.replace(folder / FORMER_KEY)
    keep_further(host.layout, host.name, beside, kind)
    roots = [chain[-1], *(each for each in beside if kind == TLS and each.issuer == each.subject)]
    write_atomically(folder / "ca.crt", b"".join(map(pem_of, roots)))
    keep_chain(folder, chain)


def _show(host: OwnHost, chain: Chain) -> None:
    """Let servers show the intermediates as they are now."""
    for holder in holders(host):
        for pair in holder.tls:
            certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
            if signed(certificate, chain[0]):
                shown = b"".join(map(pem_of, (certificate, *chain[:-1])))
                write_pair(pair, shown, pair.key.read_bytes())


def _pairs(own: Authorities) -> dict[str, KeyPair]:
    return {ENROLMENT: own.enrolment, TLS: own.tls}


def _chain(authority: KeyPair) -> Chain:
    return (authority.certificate, *authority.above)


def _from_root(chain: Chain) -> Chain:
    """The root first, then the authority that issues and those above it: as a bundle has them."""
    return (chain[-1], *chain[:-1])
