# SPDX-License-Identifier: Apache-2.0
"""Mistakes in a channel's configuration that orderers and peers accept, and fail over later."""

import datetime
from collections.abc import Iterator

from cryptography import x509
from fabric_protos.common import policies_pb2
from fabric_protos.msp import identities_pb2, msp_principal_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_configuration_pb2
from fabric_protos.orderer.smartbft import configuration_pb2 as smartbft_pb2

from commonwatt_client.ledger.configuration import ChannelConfig, Consenter
from commonwatt_client.ledger.wire import parse

_FEWEST_BFT_CONSENTERS = 4


def find_mistakes(config: ChannelConfig, now: datetime.datetime | None = None) -> tuple[str, ...]:
    """Mistakes of a configuration that nodes would join all the same, one sentence each; nothing for a sound one.

    ::

        assert find_mistakes(await peer.fetch_config("newtown")) == ()
    """
    return tuple(_mistakes(config, now or datetime.datetime.now(datetime.UTC)))


def bft_quorum(consenters: int) -> int:
    """How many of the BFT consenters have to sign a block: ceil((n + f + 1) / 2), f = (n - 1) // 3."""
    faulty = (consenters - 1) // 3
    return (consenters + faulty + 2) // 2


def _mistakes(config: ChannelConfig, now: datetime.datetime) -> Iterator[str]:
    if not config.application_organizations:
        yield "no organisation has peers: nobody could join"
    for name, organization in config.orderer_organizations.items():
        if not organization.orderer_endpoints:
            yield f"{name} has no orderer endpoints: peers and clients would not find its orderers"
    for organizations in (config.application_organizations, config.orderer_organizations):
        for name, organization in organizations.items():
            if not organization.tls_root_certificates:
                yield f"{name} has no TLS root certificate: nobody could trust its nodes"
    for consenter in config.consenters:
        for pem in {consenter.client_tls_certificate, consenter.server_tls_certificate}:
            yield from _tls_mistakes(consenter, pem, now)
    if config.consensus_type == "BFT":
        yield from _bft_mistakes(config)


def _tls_mistakes(consenter: Consenter, pem: bytes, now: datetime.datetime) -> Iterator[str]:
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError:
        yield f"a TLS certificate of consenter {consenter.address} cannot be read"
        return
    if now > certificate.not_valid_after_utc:
        expired = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
        yield f"a TLS certificate of consenter {consenter.address} expired on {expired}"
    try:
        certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        yield f"a TLS certificate of consenter {consenter.address} names no host (SubjectAlternativeName)"


def _bft_mistakes(config: ChannelConfig) -> Iterator[str]:
    if "V3_0" not in config.capabilities.get("Channel", ()):
        yield "BFT needs the channel capability V3_0"
    if len(config.consenters) < _FEWEST_BFT_CONSENTERS:
        yield f"BFT bears no faulty node with {len(config.consenters)} consenters: it takes {_FEWEST_BFT_CONSENTERS}"
    group = config.root.groups["Orderer"]
    consensus = parse(orderer_configuration_pb2.ConsensusType, group.values["ConsensusType"].value)
    options = parse(smartbft_pb2.Options, consensus.metadata)
    if options.leader_rotation != smartbft_pb2.Options.ROTATION_OFF:
        yield "BFT leader rotation is not off: Fabric does not support it"
    policy = group.policies["BlockValidation"].policy if "BlockValidation" in group.policies else None
    if policy is None or policy.value != bft_block_validation(config.consenters):
        yield "the BlockValidation policy is not the quorum of the consenters: later updates would be refused"


def bft_block_validation(consenters: tuple[Consenter, ...]) -> bytes:
    """The ``SignaturePolicyEnvelope`` that Fabric's BFT orderers demand as the BlockValidation policy."""
    envelope = policies_pb2.SignaturePolicyEnvelope(version=0)
    for consenter in consenters:
        identity = identities_pb2.SerializedIdentity(mspid=consenter.mspid, id_bytes=consenter.identity)
        envelope.identities.add(
            principal_classification=msp_principal_pb2.MSPPrincipal.IDENTITY,
            principal=identity.SerializeToString(),
        )
    signers = [policies_pb2.SignaturePolicy(signed_by=index) for index in range(len(consenters))]
    envelope.rule.n_out_of.n = bft_quorum(len(consenters))
    envelope.rule.n_out_of.rules.extend(signers)
    return bytes(envelope.SerializeToString())
