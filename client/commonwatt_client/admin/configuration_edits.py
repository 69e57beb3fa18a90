"""Changes to a running channel, one function each: from the configuration in force to the one wanted.

Each returns a new `ChannelConfig`; `compute_update` of the two is what organisations sign. Edits compose, but
consenters change one at a time: Fabric refuses more in one update. An edit that would lock everybody out,
or that nodes accept and then fail over, raises InvalidInputError.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from cryptography import x509
from fabric_protos.common import configtx_pb2, configuration_pb2
from fabric_protos.msp import msp_config_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_configuration_pb2
from fabric_protos.orderer.etcdraft import configuration_pb2 as etcdraft_pb2
from fabric_protos.peer import configuration_pb2 as peer_configuration_pb2

from commonwatt_client.admin.configuration import BatchSize, ChannelConfig, Consenter, msp_of
from commonwatt_client.admin.errors import InvalidInputError, NotFoundError
from commonwatt_client.admin.wire import parse, serialize

APPLICATION = "Application"
ORDERER = "Orderer"
CHANNEL = "Channel"


def add_organization(config: ChannelConfig, section: str, name: str, group: bytes) -> ChannelConfig:
    """Add an organisation to the `APPLICATION` or `ORDERER` section; `group` is its serialized
    ``ConfigGroup``.
    """

    def edit(root: Any) -> None:
        organizations = _section(root, section).groups
        if name in organizations:
            raise InvalidInputError(f"{name} is in {section} already")
        added = parse(configtx_pb2.ConfigGroup, group)
        mspid = msp_of(added).name
        if not mspid or not added.policies:
            raise InvalidInputError(f"the group of {name} lacks an MSP or policies")
        taken = [other for other, present in organizations.items() if msp_of(present).name == mspid]
        if taken:
            raise InvalidInputError(f"MSP id {mspid} of {name} is that of {taken[0]}")
        organizations[name].CopyFrom(added)

    return _edited(config, edit)


def remove_organization(config: ChannelConfig, section: str, name: str) -> ChannelConfig:
    """Remove an organisation. Its consenters have to go first; the last organisation of a section stays.

    ::

        desired = remove_organization(await peer.fetch_config("newtown"), APPLICATION, "GridMSP")
    """

    def edit(root: Any) -> None:
        organizations = _section(root, section).groups
        if name not in organizations:
            raise NotFoundError(f"{name} is not in {section} of {config.channel!r}")
        if len(organizations) == 1:
            raise InvalidInputError(
                f"{name} is the last organisation of {section}: nobody could sign any more"
            )
        if section == ORDERER:
            mspid = msp_of(organizations[name]).name
            endpoints = set(config.orderer_organizations[name].orderer_endpoints)
            left = [c.address for c in config.consenters if c.mspid == mspid or c.address in endpoints]
            if left:
                raise InvalidInputError(
                    f"{name} still runs consenters: {', '.join(left)}",
                    advice="remove them first, one at a time",
                )
        del organizations[name]

    return _edited(config, edit)


def set_anchor_peers(config: ChannelConfig, organization: str, addresses: Iterable[str]) -> ChannelConfig:
    """Name an organisation's anchor peers, as ``host:port``; none removes them all.

    ::

        desired = set_anchor_peers(await peer.fetch_config("newtown"), "NewtownMSP", ["peer.example:7051"])
    """
    anchors = [
        peer_configuration_pb2.AnchorPeer(host=host, port=port) for host, port in map(_host_port, addresses)
    ]
    message = peer_configuration_pb2.AnchorPeers(anchor_peers=anchors) if anchors else None
    return _edited(
        config, lambda root: _set(_organization(root, APPLICATION, organization), "AnchorPeers", message)
    )


def set_orderer_endpoints(
    config: ChannelConfig, organization: str, addresses: Iterable[str]
) -> ChannelConfig:
    """Set the addresses, ``host:port``, at which an organisation's orderers serve clients and peers.

    ::

        desired = set_orderer_endpoints(await peer.fetch_config("newtown"), "OrdererMSP", ["orderer.example:7050"])
    """
    listed = list(addresses)
    for address in listed:
        _host_port(address)
    if not listed:
        raise InvalidInputError(f"{organization} needs at least one orderer endpoint")
    message = configuration_pb2.OrdererAddresses(addresses=listed)
    return _edited(
        config, lambda root: _set(_organization(root, ORDERER, organization), "Endpoints", message)
    )


def set_batch(
    config: ChannelConfig, *, size: BatchSize | None = None, timeout_s: float | None = None
) -> ChannelConfig:
    """Change when blocks are cut: by size, and after a wait in seconds (to the millisecond).

    ::

        desired = set_batch(await peer.fetch_config("newtown"), timeout_s=0.3)
    """

    def edit(root: Any) -> None:
        group = _section(root, ORDERER)
        if size is not None:
            if not (size.max_message_count > 0 and 0 < size.preferred_max_bytes <= size.absolute_max_bytes):
                raise InvalidInputError(f"{size}: counts and bytes are above 0, preferred at most absolute")
            message = orderer_configuration_pb2.BatchSize(
                max_message_count=size.max_message_count,
                absolute_max_bytes=size.absolute_max_bytes,
                preferred_max_bytes=size.preferred_max_bytes,
            )
            _set(group, "BatchSize", message)
        if timeout_s is not None:
            if timeout_s < 0.001:
                raise InvalidInputError(f"a batch timeout of {timeout_s} s is less than a millisecond")
            timeout = orderer_configuration_pb2.BatchTimeout(timeout=f"{round(timeout_s * 1000)}ms")
            _set(group, "BatchTimeout", timeout)

    return _edited(config, edit)


def set_capability(config: ChannelConfig, section: str, name: str) -> ChannelConfig:
    """Require a capability level, such as ``V3_0``, of all nodes: in `CHANNEL`, `ORDERER` or `APPLICATION`.

    Nodes of a Fabric version that does not know it stop at this block: upgrade every one of them first.

    ::

        desired = set_capability(await peer.fetch_config("newtown"), CHANNEL, "V3_0")
    """
    if not re.fullmatch(r"V[0-9]+_[0-9]+(_[0-9]+)?", name):
        raise InvalidInputError(f"{name!r} is not a capability such as V2_5")
    message = configuration_pb2.Capabilities()
    message.capabilities[name].SetInParent()
    return _edited(
        config,
        lambda root: _set(root if section == CHANNEL else _section(root, section), "Capabilities", message),
    )


def add_consenter(config: ChannelConfig, consenter: Consenter) -> ChannelConfig:
    """Let one more Raft node order the channel; join it with the block of this update, or a later one."""
    _check_consenter(config, consenter)
    if any(present.address == consenter.address for present in config.consenters):
        raise InvalidInputError(f"{consenter.address} is a consenter already")
    return _with_consenters(config, [*config.consenters, consenter])


def remove_consenter(config: ChannelConfig, address: str) -> ChannelConfig:
    """Take one Raft node, by ``host:port``, off the channel's consenters."""
    rest = [consenter for consenter in config.consenters if consenter.address != address]
    if len(rest) == len(config.consenters):
        raise NotFoundError(f"{address} is not a consenter of {config.channel!r}")
    if not rest:
        raise InvalidInputError(f"{address} is the last consenter: nobody would order the channel")
    return _with_consenters(config, rest)


def replace_consenter(config: ChannelConfig, address: str, consenter: Consenter) -> ChannelConfig:
    """Give one Raft consenter other TLS certificates (after a renewal with new keys) or another address.

    ::

        current = await peer.fetch_config("newtown")
        renewed = current.consenters[0]  # with the new certificate
        desired = replace_consenter(current, renewed.address, renewed)
    """
    _check_consenter(config, consenter)
    if address not in {present.address for present in config.consenters}:
        raise NotFoundError(f"{address} is not a consenter of {config.channel!r}")
    changed = [consenter if present.address == address else present for present in config.consenters]
    if len({present.address for present in changed}) < len(changed):
        raise InvalidInputError(f"{consenter.address} is another consenter's address")
    return _with_consenters(config, changed)


def revoke_certificates(config: ChannelConfig, section: str, organization: str, crl: bytes) -> ChannelConfig:
    """Put a certificate revocation list (PEM) into an organisation's MSP, in the place of its issuer's
    former one.

    The list must be signed by one of the MSP's authorities and carry its key's identifier (the
    AuthorityKeyIdentifier extension): nodes accept one without, and from then on no identity of the
    organisation at all.
    """
    try:
        revocations = x509.load_pem_x509_crl(crl)
    except ValueError as error:
        raise InvalidInputError(f"this is not a PEM revocation list: {error}") from error

    def edit(root: Any) -> None:
        group = _organization(root, section, organization)
        msp = msp_of(group)
        authorities = x509.load_pem_x509_certificates(b"\n".join([*msp.root_certs, *msp.intermediate_certs]))
        issuers = [authority for authority in authorities if _issued(revocations, authority)]
        if not issuers:
            raise InvalidInputError(f"no authority of {organization} signed this revocation list")
        if _key_identifier(revocations) not in map(_key_identifier, issuers):
            raise InvalidInputError(
                f"the revocation list of {organization} does not name its issuer's key: it would lock out everybody",
                advice="issue it with the AuthorityKeyIdentifier extension",
            )
        kept = [each for each in msp.revocation_list if _crl_issuer(each) != revocations.issuer]
        del msp.revocation_list[:]
        msp.revocation_list.extend([*kept, crl])
        message = msp_config_pb2.MSPConfig(type=0, config=serialize(msp))
        _set(group, "MSP", message)

    return _edited(config, edit)


def _edited(config: ChannelConfig, edit: Callable[[Any], None]) -> ChannelConfig:
    root = config.edited_group()
    edit(root)
    return replace(config, group=root.SerializeToString())


def _section(root: Any, section: str) -> Any:
    if section not in (APPLICATION, ORDERER) or section not in root.groups:
        raise InvalidInputError(f"the configuration has no section {section!r}")
    return root.groups[section]


def _organization(root: Any, section: str, name: str) -> Any:
    organizations = _section(root, section).groups
    if name not in organizations:
        raise NotFoundError(f"{name} is not in {section}")
    return organizations[name]


def _set(group: Any, name: str, message: Any | None) -> None:
    # Maps give no stable bytes by themselves: an equal value must stay byte for byte the same to be no
    # change.
    if message is None:
        if name in group.values:
            del group.values[name]
        return
    present = group.values[name].value
    if not present or parse(type(message), present) != message:
        group.values[name].value = serialize(message)
    group.values[name].mod_policy = group.values[name].mod_policy or "Admins"


def _with_consenters(config: ChannelConfig, consenters: list[Consenter]) -> ChannelConfig:
    def edit(root: Any) -> None:
        group = _section(root, ORDERER)
        consensus = parse(orderer_configuration_pb2.ConsensusType, group.values["ConsensusType"].value)
        if consensus.type != "etcdraft":
            raise InvalidInputError(
                f"only Raft consenters can be changed here; this channel is {consensus.type}"
            )
        metadata = parse(etcdraft_pb2.ConfigMetadata, consensus.metadata)
        del metadata.consenters[:]
        for each in consenters:
            metadata.consenters.add(
                host=each.host,
                port=each.port,
                client_tls_cert=each.client_tls_certificate,
                server_tls_cert=each.server_tls_certificate,
            )
        consensus.metadata = serialize(metadata)
        _set(group, "ConsensusType", consensus)

    return _edited(config, edit)


def _check_consenter(config: ChannelConfig, consenter: Consenter) -> None:
    # Nodes accept certificates of a CA that no orderer organisation has, and expired ones, and then never
    # connect.
    authorities = [
        authority
        for organization in config.orderer_organizations.values()
        for pem in organization.tls_root_certificates
        for authority in x509.load_pem_x509_certificates(pem)
    ]
    for pem in (consenter.client_tls_certificate, consenter.server_tls_certificate):
        try:
            certificate = x509.load_pem_x509_certificate(pem)
        except ValueError as error:
            raise InvalidInputError(
                f"a TLS certificate of {consenter.address} is not a PEM certificate: {error}"
            ) from error
        if not any(_issued(certificate, authority) for authority in authorities):
            raise InvalidInputError(
                f"no orderer organisation's TLS authority issued the certificate of {consenter.address}",
                advice="add the organisation first, or use a certificate of its TLS authority",
            )


def _issued(signed: Any, authority: x509.Certificate) -> bool:
    if signed.issuer != authority.subject:
        return False
    try:
        if isinstance(signed, x509.CertificateRevocationList):
            return signed.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
        signed.verify_directly_issued_by(authority)
    except Exception:  # each key type fails in its own way; none of them issued it
        return False
    return True


def _key_identifier(signed: x509.Certificate | x509.CertificateRevocationList) -> bytes | None:
    """Of the key that signed a revocation list, or of a certificate's own key; None where it is not said."""
    try:
        if isinstance(signed, x509.Certificate):
            return signed.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        return signed.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return None


def _crl_issuer(pem: bytes) -> x509.Name:
    return x509.load_pem_x509_crl(pem).issuer


def _host_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise InvalidInputError(f"{address!r} is not host:port")
    return host, int(port)
