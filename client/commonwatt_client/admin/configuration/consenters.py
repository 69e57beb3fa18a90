# SPDX-License-Identifier: Apache-2.0
"""Changes to the Raft nodes that order a running channel: one at a time, for Fabric refuses more in one update."""

from typing import Any

from cryptography import x509
from fabric_protos.orderer import configuration_pb2 as orderer_configuration_pb2
from fabric_protos.orderer.etcdraft import configuration_pb2 as etcdraft_pb2

from commonwatt_client.admin.configuration.groups import ORDERER, edited, section_of, set_value
from commonwatt_client.errors import InvalidInputError, NotFoundError
from commonwatt_client.identity import normal_pem
from commonwatt_client.ledger.configuration import ChannelConfig, Consenter
from commonwatt_client.ledger.wire import parse, serialize


def add_consenter(config: ChannelConfig, consenter: Consenter) -> ChannelConfig:
    """Let one more Raft node order the channel; join it with the block of this update, or a later one.

    ::

        certificate = Path("orderer1.crt").read_bytes()  # of its organisation's TLS authority
        newcomer = Consenter("orderer1.example", 7050, certificate, certificate)
        desired = add_consenter(await peer.fetch_config("newtown"), newcomer)
    """
    _check_consenter(config, consenter)
    if any(present.address == consenter.address for present in config.consenters):
        raise InvalidInputError(f"{consenter.address} is a consenter already")
    return _with_consenters(config, [*config.consenters, consenter])


def remove_consenter(config: ChannelConfig, address: str) -> ChannelConfig:
    """Take one Raft node, by ``host:port``, off the channel's consenters; the last one stays.

    ::

        certificate = Path("orderer1.crt").read_bytes()
        newcomer = Consenter("orderer1.example", 7050, certificate, certificate)
        of_two = add_consenter(await peer.fetch_config("newtown"), newcomer)
        desired = remove_consenter(of_two, newcomer.address)
    """
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


def _with_consenters(config: ChannelConfig, consenters: list[Consenter]) -> ChannelConfig:
    def edit(root: Any) -> None:
        group = section_of(root, ORDERER)
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
                client_tls_cert=normal_pem(each.client_tls_certificate),
                server_tls_cert=normal_pem(each.server_tls_certificate),
            )
        consensus.metadata = serialize(metadata)
        set_value(group, "ConsensusType", consensus)

    return edited(config, edit)


def _check_consenter(config: ChannelConfig, consenter: Consenter) -> None:
    # Nodes accept certificates of an authority that no orderer organisation has, and then never connect.
    authorities = [
        authority
        for organization in config.orderer_organizations.values()
        for pem in (*organization.tls_root_certificates, *organization.tls_intermediate_certificates)
        for authority in x509.load_pem_x509_certificates(pem)
    ]
    for pem in (consenter.client_tls_certificate, consenter.server_tls_certificate):
        try:
            certificate = x509.load_pem_x509_certificate(normal_pem(pem))
        except ValueError as error:
            raise InvalidInputError(
                f"a TLS certificate of {consenter.address} is not a PEM certificate: {error}"
            ) from error
        if not any(_issued(certificate, authority) for authority in authorities):
            raise InvalidInputError(
                f"no orderer organisation's TLS authority issued the certificate of {consenter.address}",
                advice="add the organisation first, or use a certificate of its TLS authority",
            )


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except Exception:  # each key type fails in its own way; none of them issued it
        return False
    return True
