# SPDX-License-Identifier: Apache-2.0
"""Everyone's keys and certificates: two authorities per organisation, nodes, administrators, users and homes.

Good pairs that are there stay, missing ones are made. Private keys are readable by their owner alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from commonwatt_network.errors import UsageError
from commonwatt_network.model.addresses import is_name
from commonwatt_network.model.home_ids import ensure_secret
from commonwatt_network.model.layout import ORGANIZATION, Layout, write_atomically
from commonwatt_network.model.nodes import HOST, Nodes
from commonwatt_network.model.roster import ADMIN, Roster, user_attributes
from commonwatt_network.trust.certificates import (
    KeyPair,
    create_authority,
    days_left,
    has_attributes,
    issue_enrolment,
    issue_tls,
    issued_by,
    read_key_pair,
)
from commonwatt_network.trust.chains import issuing_file, read_intermediates
from commonwatt_network.trust.further import ENROLMENT, TLS, pem_of, read_further, roots_and_intermediates
from commonwatt_network.trust.issued import note_issued, read_record

NODE_OUS = "NodeOUs:\n  Enable: true\n" + "".join(
    f"  {role.title()}OUIdentifier: {{OrganizationalUnitIdentifier: {role}}}\n"
    for role in ("client", "peer", "admin", "orderer")
)


class IdentityError(UsageError):
    """Key material that is on disk cannot be used; nothing was replaced."""


@dataclass(frozen=True)
class Authorities:
    """An organisation's two authorities: for identities and for TLS. Certificates of the former are noted as issued."""

    layout: Layout
    organization: str
    enrolment: KeyPair
    tls: KeyPair


def ensure_identities(nodes: Nodes) -> Roster:
    """Make what is missing for every organisation. Raises IdentityError when existing material is damaged."""
    topology, layout = nodes.topology, nodes.layout
    users: dict[str, Mapping[str, Mapping[str, str]]] = {}
    for organization, settings in topology.orderers.organizations.items():
        authorities = ensure_organization(layout, organization)
        ensure_admin(layout, organization, authorities, settings.days_valid)
        for orderer in (node for node in nodes.orderers if node.organization == organization):
            hosts = (
                [] if "." in orderer.name else [f"{orderer.name}.{organization}"]
            )  # its name among containers
            hosts += _machine_names(settings.host)
            ensure_node(orderer.directory, authorities, "orderer", orderer.name, settings.days_valid, hosts)
    for organization, member in topology.organizations.items():
        authorities = ensure_organization(layout, organization)
        ensure_admin(layout, organization, authorities, member.days_valid)
        for peer in (node for node in nodes.peers if node.organization == organization):
            hosts = _machine_names(member.host)
            ensure_node(peer.directory, authorities, "peer", peer.name, member.days_valid, hosts)
        # Also of chaincodes that the organisation does not run yet: its first channel may come a step later.
        servers = [f"{chaincode}.{organization}" for chaincode in topology.chaincodes]
        for name, folder, hosts in (
            (f"chaincode.{organization}", layout.chaincode_tls(organization), servers),
            (f"peers.{organization}", layout.chaincode_client_tls(organization), []),
        ):
            ensure_tls(folder, authorities.tls, name, member.days_valid, hosts)
        if member.client_authentication:
            clients = f"clients.{organization}"
            ensure_tls(layout.client_tls(organization), authorities.tls, clients, member.days_valid)
        ensure_secret(layout, organization, topology.home_seed)
        roster = user_attributes(nodes, organization)
        revoked = read_record(layout, organization).revoked
        for user, attributes in roster.items():
            if user != ADMIN and user not in revoked:
                folder = layout.user(organization, user)
                ensure_user(folder, authorities, "client", attributes, member.days_valid)
        users[organization] = MappingProxyType(roster)
    return Roster(MappingProxyType(users))


def _machine_names(host: str | None) -> list[str]:
    """What the certificates of a machine's nodes name of it: its DNS name, by which they are dialled."""
    return [host] if host and is_name(host) else []


def ensure_organization(layout: Layout, organization: str) -> Authorities:
    """The organisation's authorities and its public MSP folder."""
    folder = layout.organization(organization)
    authorities = Authorities(
        layout,
        organization,
        *(
            _ensure_authority(
                folder / kind,
                f"{kind}.{organization}",
                organization,
                read_further(layout, organization, kind),
            )
            for kind in (ENROLMENT, TLS)
        ),
    )
    _write_public_msp(layout.msp(organization), authorities)
    return authorities


def _ensure_authority(
    folder: Path, name: str, organization: str, further: Sequence[x509.Certificate]
) -> KeyPair:
    certificate, key = folder / "ca.crt", folder / "ca.key"
    if certificate.exists() and key.exists():
        pair = _read(issuing_file(folder), key)
        return KeyPair(pair.certificate, pair.key, _above(folder), tuple(further))
    if certificate.exists() and _known_to_others(folder):
        return _without_key(issuing_file(folder), key, _above(folder), tuple(further))
    if certificate.exists() or (folder.parent / "users").exists():
        lost = key if certificate.exists() else certificate
        raise IdentityError(
            f"{lost} is missing, so {organization} can issue no certificate; put it back from a backup"
            f"{_or_reset(folder)}"
        )
    authority = create_authority(name, organization)
    _write_pair(certificate, key, authority)
    return authority


def _write_public_msp(folder: Path, authorities: Authorities) -> None:
    _write_once(folder / "cacerts" / "ca.pem", pem_of(authorities.enrolment.root))
    _write_once(folder / "tlscacerts" / "tlsca.pem", pem_of(authorities.tls.root))
    _write_once(folder / "config.yaml", NODE_OUS.encode())
    organization = authorities.layout.organization(authorities.organization)
    for own, roots, below, authority in (
        (ENROLMENT, "cacerts", "intermediatecerts", authorities.enrolment),
        (TLS, "tlscacerts", "tlsintermediatecerts", authorities.tls),
    ):
        further_roots, further_below = roots_and_intermediates(authority.beside)
        issuing = [pem_of(each) for each in read_intermediates(organization / own)]
        wanted = {folder / below / f"issuing{number}.pem": pem for number, pem in enumerate(issuing)}
        for place, further in ((roots, further_roots), (below, further_below)):
            named = enumerate(further, start=1)
            wanted |= {folder / place / f"trusted{number}.pem": pem for number, pem in named}
        present = (path for place in (roots, below) for path in (folder / place).glob("*.pem"))
        for former in {
            path for path in present if path.name.startswith(("issuing", "trusted"))
        } - wanted.keys():
            former.unlink()
        for path, content in wanted.items():
            _write_once(path, content)


def ensure_node(
    folder: Path, authorities: Authorities, role: str, name: str, days: int, hosts: Iterable[str] = ()
) -> None:
    """A peer's or orderer's identity and TLS pair; the latter names `hosts` besides this machine."""
    _ensure_msp(folder / "msp", authorities, role, name, None, days)
    ensure_tls(folder / "tls", authorities.tls, name, days, hosts)


def ensure_admin(layout: Layout, organization: str, authorities: Authorities, days: int) -> None:
    """The organisation's administrator, with a TLS pair for its orderers' administration ports."""
    folder = layout.user(organization, ADMIN)
    ensure_user(folder, authorities, "admin", None, days)
    ensure_tls(folder / "tls", authorities.tls, f"admin.{organization}", days)


def ensure_user(
    folder: Path,
    authorities: Authorities,
    role: str,
    attributes: Mapping[str, str] | None,
    days: int,
) -> None:
    """A client or administrator: an MSP folder, and the two files that a client needs."""
    pair = _ensure_msp(folder / "msp", authorities, role, folder.name, attributes, days)
    _write_once(folder / "certificate.pem", pair.certificate_pem)
    _write_once(folder / "private_key.pem", pair.key_pem)


def _ensure_msp(
    folder: Path,
    authorities: Authorities,
    role: str,
    name: str,
    attributes: Mapping[str, str] | None,
    days: int,
) -> KeyPair:
    certificate, key = folder / "signcerts" / "cert.pem", folder / "keystore" / "key.pem"
    pair = _reusable(certificate, key, authorities.enrolment)
    if pair is None or not has_attributes(pair.certificate, attributes or {}):
        pair = issue_enrolment(authorities.enrolment, name, role, attributes, days)
        note_issued(authorities.layout, authorities.organization, name, pair.certificate.serial_number)
        certificate.unlink(missing_ok=True)  # cut off here, the next start issues anew
        _write_pair(certificate, key, pair)
    _write_public_msp(folder, authorities)
    return pair


def ensure_tls(folder: Path, authority: KeyPair, name: str, days: int, hosts: Iterable[str] = ()) -> None:
    """A TLS pair for server and client side, good for `name`, this machine and `hosts`."""
    certificate, key = folder / "server.crt", folder / "server.key"
    if _reusable(certificate, key, authority) is None:
        made = issue_tls(authority, name, dict.fromkeys((name, "localhost", HOST, *hosts)), days)
        write_atomically(key, made.key_pem)
        write_atomically(certificate, made.chain_pem)
    _write_once(folder / "ca.crt", b"".join(map(pem_of, authority.roots)))


def _reusable(certificate: Path, key: Path, authority: KeyPair) -> KeyPair | None:
    """The pair on disk, or None when there is none. Raises IdentityError when it cannot be used."""
    if not certificate.exists() and not key.exists():
        return None
    if not certificate.exists() or not key.exists():
        # An earlier start was cut off between the two files; neither was ever used.
        return None
    pair = _read(certificate, key)
    if not issued_by(pair.certificate, authority):
        issuer = authority.certificate.subject.rfc4514_string()
        raise IdentityError(
            f"{certificate} was not issued by this network's authority {issuer}; "
            f"put the right file back{_or_reset(certificate)}"
        )
    if days_left(pair.certificate) < 0:
        expired = pair.certificate.not_valid_after_utc.date()
        raise IdentityError(
            f"{certificate} expired on {expired}; renew it with `commonwatt apply`, "
            "or delete it and its key to have it issued anew"
        )
    return pair


def _read(certificate: Path, key: Path) -> KeyPair:
    try:
        return read_key_pair(certificate, key)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] or type(error).__name__
        raise IdentityError(
            f"{certificate} with {key.name} cannot be used ({reason}); put them back from a backup"
            f"{_or_reset(certificate)}"
        ) from error


def _or_reset(path: Path) -> str:
    """What else can be done about key material: nothing, where other organisations know the identity."""
    return "" if _known_to_others(path) else ", or delete this network with `make network-reset`"


def _known_to_others(path: Path) -> bool:
    """Whether it is key material of a consortium's organisation."""
    return any((folder / ORGANIZATION).exists() for folder in path.parents)


def _above(folder: Path) -> tuple[x509.Certificate, ...]:
    """Who is above the authority that issues: intermediates, then the root; none where the root issues."""
    intermediates = read_intermediates(folder)
    if not intermediates:
        return ()
    root = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
    return (*intermediates[1:], root)


def _without_key(
    certificate: Path, key: Path, above: tuple[x509.Certificate, ...], beside: tuple[x509.Certificate, ...]
) -> KeyPair:
    """An authority whose key is elsewhere: all is well until something has to be issued here."""
    try:
        loaded = x509.load_pem_x509_certificate(certificate.read_bytes())
    except ValueError as error:
        raise IdentityError(f"{certificate} cannot be read; put it back from a backup") from error
    return AwayPair(
        loaded,
        f"{key} is not here, so nothing can be issued: put it back, or let the authority sign what `commonwatt org "
        "request` writes, and take that in with `commonwatt org certify`",
        above,
        beside,
    )


class AwayPair(KeyPair):
    """A certificate whose key is elsewhere."""

    _why: str

    def __init__(
        self,
        certificate: x509.Certificate,
        why: str,
        above: tuple[x509.Certificate, ...],
        beside: tuple[x509.Certificate, ...],
    ) -> None:
        object.__setattr__(self, "certificate", certificate)
        object.__setattr__(self, "above", above)
        object.__setattr__(self, "beside", beside)
        object.__setattr__(self, "_why", why)

    @property
    def key(self) -> ec.EllipticCurvePrivateKey:
        """Raises IdentityError."""
        why: str = self._why
        raise IdentityError(why)


def _write_pair(certificate: Path, key: Path, pair: KeyPair) -> None:
    write_atomically(key, pair.key_pem)
    write_atomically(certificate, pair.certificate_pem)


def _write_once(path: Path, content: bytes) -> None:
    if not path.exists() or path.read_bytes() != content:
        write_atomically(path, content)
