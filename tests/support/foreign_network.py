# SPDX-License-Identifier: Apache-2.0
"""A Fabric network as tutorials build it, made without this kit's topologies, certificates and templates.

Material lies as cryptogen writes it (`organizations/peerOrganizations/org1.example.com/...`), the genesis block
says what a `configtx.yaml` says (signature policies by role, 2 s batches, the default ticks), and `peer` and `orderer`
run with the tutorials' settings: gossip's own intervals, leader election off, blocks from the orderers.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from commonwatt_client import ClientCertificate, Peer, load_identity, private_key_signer
from commonwatt_client.admin import OrdererAdmin, PeerAdmin, parse_signature_policy
from commonwatt_client.ledger.policy import signature_policy_envelope
from commonwatt_network.programs.fabric import FabricPrograms
from commonwatt_network.programs.ports import choose_first_port
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2, policies_pb2
from fabric_protos.msp import msp_config_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2
from fabric_protos.orderer.etcdraft import configuration_pb2 as raft_pb2
from fabric_protos.peer import configuration_pb2 as peer_pb2

CHANNEL = "energychannel"
ORDERER_MSP, ORDERER_DOMAIN = "OrdererMSP", "example.com"
ATTRIBUTES = ObjectIdentifier("1.2.3.4.5.6.7.8.1")
READY_S = 90.0

BUILDER = {
    "detect": '#!/bin/sh\ngrep -q \'"type":"ccaas"\' "$2/metadata.json"\n',
    "build": '#!/bin/sh\ncp "$1/connection.json" "$3/"\n',
    "release": '#!/bin/sh\nmkdir -p "$2/chaincode/server" && cp "$1/connection.json" "$2/chaincode/server/"\n',
}


@dataclass
class Authority:
    """A certificate authority as cryptogen makes them: `ca.org1.example.com`."""

    name: str
    domain: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        subject = _name(self.name, self.domain, "")
        self.certificate = (
            _builder(subject, subject, self.key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(key_cert_sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self,
        name: str,
        unit: str = "",
        hosts: tuple[str, ...] = (),
        attributes: Mapping[str, str] | None = None,
    ) -> tuple[bytes, bytes]:
        """Certificate and PKCS#8 key (PEM). With `hosts` it is a TLS certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(name, self.domain, unit), self.certificate.subject, key)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
        ).add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        if hosts:
            both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            names = [
                x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
                for host in hosts
            ]
            builder = builder.add_extension(x509.ExtendedKeyUsage(both), critical=False)
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if attributes is not None:  # as Fabric CA writes them
            value = json.dumps({"attrs": dict(attributes)}).encode()
            builder = builder.add_extension(x509.UnrecognizedExtension(ATTRIBUTES, value), critical=False)
        certificate = builder.add_extension(_usage(), critical=True).sign(self.key, hashes.SHA256())
        return certificate.public_bytes(serialization.Encoding.PEM), _private(key)


@dataclass
class Organization:
    """One organisation's folder, its two authorities, and its nodes' ports by their full names."""

    domain: str
    mspid: str
    folder: Path
    ports: dict[str, tuple[int, int, int]] = field(
        default_factory=dict
    )  # service, operations, administration

    def __post_init__(self) -> None:
        self.ca = Authority(f"ca.{self.domain}", self.domain)
        self.tlsca = Authority(f"tlsca.{self.domain}", self.domain)
        _write(self.folder / "ca" / f"ca.{self.domain}-cert.pem", self.ca.pem)
        _write(self.folder / "ca" / "priv_sk", _private(self.ca.key), 0o600)
        _write(self.folder / "tlsca" / f"tlsca.{self.domain}-cert.pem", self.tlsca.pem)

    @property
    def tls_ca(self) -> Path:
        return self.folder / "tlsca" / f"tlsca.{self.domain}-cert.pem"

    def user(self, name: str) -> Path:
        return self.folder / "users" / f"{name}@{self.domain}"

    def certificate(self, user: str) -> Path:
        return self.user(user) / "msp" / "signcerts" / f"{user}@{self.domain}-cert.pem"

    def key(self, user: str) -> Path:
        return self.user(user) / "msp" / "keystore" / "priv_sk"

    def enrol(self, folder: Path, name: str, unit: str, attributes: Mapping[str, str] | None = None) -> None:
        """Write an MSP folder for an identity."""
        certificate, key = self.ca.issue(name, unit, attributes=attributes)
        msp = folder / "msp"
        _write(msp / "signcerts" / f"{name}-cert.pem", certificate)
        _write(msp / "keystore" / "priv_sk", key, 0o600)
        _write(msp / "cacerts" / f"ca.{self.domain}-cert.pem", self.ca.pem)
        _write(msp / "tlscacerts" / f"tlsca.{self.domain}-cert.pem", self.tlsca.pem)
        units = {
            f"{unit.capitalize()}OUIdentifier": {
                "Certificate": f"cacerts/ca.{self.domain}-cert.pem",
                "OrganizationalUnitIdentifier": unit,
            }
            for unit in ("client", "peer", "admin", "orderer")
        }
        _write(msp / "config.yaml", yaml.safe_dump({"NodeOUs": {"Enable": True, **units}}).encode())

    def add_user(self, name: str, unit: str = "client", attributes: Mapping[str, str] | None = None) -> None:
        self.enrol(self.user(name), f"{name}@{self.domain}", unit, attributes)

    def add_node(self, name: str, unit: str, ports: tuple[int, int, int]) -> Path:
        folder = self.folder / f"{unit}s" / name
        self.enrol(folder, name, unit)
        certificate, key = self.tlsca.issue(
            name, hosts=(name, name.partition(".")[0], "localhost", "127.0.0.1")
        )
        _write(folder / "tls" / "server.crt", certificate)
        _write(folder / "tls" / "server.key", key, 0o600)
        _write(folder / "tls" / "ca.crt", self.tlsca.pem)
        self.ports[name] = ports
        return folder


@dataclass
class ForeignNetwork:
    """The network's folder, organisations and programs. Profiles are as fabric-samples' scripts write them.

    `outside` runs a peer, and is in no channel.
    """

    folder: Path
    orderers: Organization
    members: list[Organization]
    outside: Organization | None = None
    programs: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def profile(self, organization: Organization) -> Path:
        """`connection-org1.yaml`, with certificates inside and the organisation's own peers alone."""
        peers = {
            name: {
                "url": f"grpcs://localhost:{ports[0]}",
                "tlsCACerts": {"pem": organization.tlsca.pem.decode()},
                "grpcOptions": {"ssl-target-name-override": name, "hostnameOverride": name},
            }
            for name, ports in organization.ports.items()
        }
        short = organization.domain.partition(".")[0].capitalize()
        content = {
            "name": f"energy-{short.lower()}",
            "version": "1.0.0",
            "client": {"organization": short, "connection": {"timeout": {"peer": {"endorser": "300"}}}},
            "organizations": {
                short: {
                    "mspid": organization.mspid,
                    "peers": list(peers),
                    "certificateAuthorities": [f"ca.{organization.domain}"],
                }
            },
            "peers": peers,
            "certificateAuthorities": {
                f"ca.{organization.domain}": {
                    "url": "https://localhost:7054",
                    "caName": f"ca-{short.lower()}",
                    "tlsCACerts": {"pem": [organization.tlsca.pem.decode()]},
                    "httpOptions": {"verify": False},
                }
            },
        }
        path = organization.folder / f"connection-{short.lower()}.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path

    def admin(self, organization: Organization, name: str) -> PeerAdmin:
        where = Peer(f"localhost:{organization.ports[name][0]}", organization.tls_ca)
        return PeerAdmin(
            where,
            identity=load_identity(organization.mspid, organization.certificate("Admin")),
            signer=private_key_signer(organization.key("Admin")),
        )


@contextmanager
def foreign_network(
    folder: Path,
    fabric: FabricPrograms,
    *,
    organizations: int = 3,
    peers: int = 2,
    orderers: int = 3,
    batch_timeout: str = "2s",
    gossip: Mapping[str, str] | None = None,
    outsider: bool = False,
    users: Mapping[str, Mapping[str, str]] | None = None,
) -> Iterator[ForeignNetwork]:
    """A network that runs while the body does.

    `gossip`: intervals in place of Fabric's own, with which peers of two organisations may take half a minute to meet.
    `users` (name -> attributes): the first organisation's clients.
    """
    network = _material(folder, organizations, peers, orderers, users or {}, outsider)
    members = [*network.members, *([network.outside] if network.outside else [])]
    try:
        genesis = _genesis(network, batch_timeout)
        (folder / "channel-artifacts").mkdir()
        (folder / "channel-artifacts" / f"{CHANNEL}.block").write_bytes(genesis)
        for name in network.orderers.ports:
            _start(network, name, [str(fabric.orderer)], "orderer.yaml", _orderer_yaml(network, name))
        for member in members:
            for name in member.ports:
                _start(
                    network,
                    name,
                    [str(fabric.peer), "node", "start"],
                    "core.yaml",
                    _core_yaml(network, member, name, gossip or {}),
                )
        for organization in (network.orderers, *members):
            for name, ports in organization.ports.items():
                _wait_healthy(network, name, ports)
        yield network
    finally:
        for process in network.programs.values():
            process.send_signal(signal.SIGTERM)
        for process in network.programs.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


async def join(network: ForeignNetwork) -> None:
    """Orderers and peers join the channel, by the client's administration."""
    genesis = (network.folder / "channel-artifacts" / f"{CHANNEL}.block").read_bytes()
    tls = network.orderers.folder / "orderers"
    for name, ports in network.orderers.ports.items():
        pair = ClientCertificate(tls / name / "tls" / "server.crt", tls / name / "tls" / "server.key")
        where = Peer(f"localhost:{ports[2]}", network.orderers.tls_ca, client_certificate=pair)
        async with OrdererAdmin(where) as orderer:
            await orderer.join_channel(genesis)
    for member in network.members:
        for name in member.ports:
            async with network.admin(member, name) as peer:
                await peer.join_channel(genesis)


def _material(
    folder: Path,
    organizations: int,
    peers: int,
    orderers: int,
    users: Mapping[str, Mapping[str, str]],
    outsider: bool,
) -> ForeignNetwork:
    count = 3 * (orderers + (organizations + outsider) * peers)
    first = choose_first_port(count, folder)
    counted = iter(range(first, first + count))

    def ports() -> tuple[int, int, int]:
        return next(counted), next(counted), next(counted)

    root = folder / "organizations"
    ordering = Organization(ORDERER_DOMAIN, ORDERER_MSP, root / "ordererOrganizations" / ORDERER_DOMAIN)
    for number in range(1, orderers + 1):
        ordering.add_node(f"orderer{number}.{ORDERER_DOMAIN}", "orderer", ports())
    members = []
    for number in range(1, organizations + outsider + 1):
        domain = f"org{number}.example.com"
        member = Organization(domain, f"Org{number}MSP", root / "peerOrganizations" / domain)
        for place in range(peers):
            member.add_node(f"peer{place}.{domain}", "peer", ports())
        member.add_user("Admin", "admin")
        member.add_user("User1")
        members.append(member)
    for name, attributes in users.items():
        members[0].add_user(name, attributes=attributes)
    return ForeignNetwork(folder, ordering, members[:organizations], members[-1] if outsider else None)


def _orderer_yaml(network: ForeignNetwork, name: str) -> dict[str, Any]:
    own = network.orderers.folder / "orderers" / name
    port, operations, administration = network.orderers.ports[name]
    tls = {
        "Enabled": True,
        "Certificate": str(own / "tls" / "server.crt"),
        "PrivateKey": str(own / "tls" / "server.key"),
        "RootCAs": [str(own / "tls" / "ca.crt")],
    }
    ledger = network.folder / "production" / name
    return {
        "General": {
            "ListenAddress": "127.0.0.1",
            "ListenPort": port,
            "LocalMSPDir": str(own / "msp"),
            "LocalMSPID": ORDERER_MSP,
            "BootstrapMethod": "none",
            "TLS": {**tls, "ClientAuthRequired": False},
            "Keepalive": {"ServerMinInterval": "60s", "ServerInterval": "7200s", "ServerTimeout": "20s"},
            "Authentication": {"TimeWindow": "15m"},
            "Cluster": {
                "ClientCertificate": tls["Certificate"],
                "ClientPrivateKey": tls["PrivateKey"],
                "RootCAs": tls["RootCAs"],
            },
        },
        "FileLedger": {"Location": str(ledger)},
        "Consensus": {
            "WALDir": str(ledger / "etcdraft" / "wal"),
            "SnapDir": str(ledger / "etcdraft" / "snapshot"),
        },
        "Operations": {"ListenAddress": f"127.0.0.1:{operations}"},
        "Metrics": {"Provider": "prometheus"},
        "Admin": {
            "ListenAddress": f"127.0.0.1:{administration}",
            "TLS": {**tls, "ClientAuthRequired": True, "ClientRootCAs": tls["RootCAs"]},
        },
        "ChannelParticipation": {"Enabled": True, "MaxRequestBodySize": "1 MB"},
    }


def _core_yaml(
    network: ForeignNetwork, member: Organization, name: str, gossip: Mapping[str, str]
) -> dict[str, Any]:
    own = member.folder / "peers" / name
    port, operations, unused = member.ports[name]
    first = next(iter(member.ports.values()))[0]
    builder = network.folder / "builders" / "ccaas"
    for script, text in BUILDER.items():
        _write(builder / "bin" / script, text.encode(), 0o755)
    ledger = network.folder / "production" / name
    return {
        "peer": {
            "id": name,
            "networkId": "energy",
            "listenAddress": f"127.0.0.1:{port}",
            "chaincodeListenAddress": f"127.0.0.1:{unused}",
            "address": f"localhost:{port}",
            "gomaxprocs": -1,
            "keepalive": {
                "interval": "7200s",
                "timeout": "20s",
                "minInterval": "60s",
                "client": {"interval": "60s", "timeout": "20s"},
                "deliveryClient": {"interval": "60s", "timeout": "20s"},
            },
            "gossip": {
                "bootstrap": f"localhost:{first}",
                "useLeaderElection": False,
                "orgLeader": True,
                "endpoint": f"localhost:{port}",
                "externalEndpoint": f"localhost:{port}",
                "state": {"enabled": False},
                **gossip,
                "pvtData": {
                    "pullRetryThreshold": "60s",
                    "transientstoreMaxBlockRetention": 1000,
                    "pushAckTimeout": "3s",
                    "btlPullMargin": 10,
                    "reconcileBatchSize": 10,
                    "reconcileSleepInterval": "1m",
                    "reconciliationEnabled": True,
                    "implicitCollectionDisseminationPolicy": {"requiredPeerCount": 0, "maxPeerCount": 1},
                },
            },
            "tls": {
                "enabled": True,
                "cert": {"file": str(own / "tls" / "server.crt")},
                "key": {"file": str(own / "tls" / "server.key")},
                "rootcert": {"file": str(own / "tls" / "ca.crt")},
            },
            "authentication": {"timewindow": "15m"},
            "fileSystemPath": str(ledger),
            "BCCSP": {"Default": "SW", "SW": {"Hash": "SHA2", "Security": 256}},
            "mspConfigPath": str(own / "msp"),
            "localMspId": member.mspid,
            "deliveryclient": {"reconnectTotalTimeThreshold": "3600s", "connTimeout": "3s"},
            "localMspType": "bccsp",
            "handlers": {
                "authFilters": [{"name": "DefaultAuth"}, {"name": "ExpirationCheck"}],
                "decorators": [{"name": "DefaultDecorator"}],
                "endorsers": {"escc": {"name": "DefaultEndorsement"}},
                "validators": {"vscc": {"name": "DefaultValidation"}},
            },
            "discovery": {"enabled": True, "authCacheEnabled": True, "orgMembersAllowedAccess": False},
            "gateway": {
                "enabled": True,
                "endorsementTimeout": "30s",
                "broadcastTimeout": "30s",
                "dialTimeout": "2m",
            },
        },
        "vm": {"endpoint": ""},
        "chaincode": {
            "mode": "net",
            "installTimeout": "300s",
            "startuptimeout": "300s",
            "executetimeout": "30s",
            "externalBuilders": [{"name": "ccaas_builder", "path": str(builder), "propagateEnvironment": []}],
            "system": {"_lifecycle": "enable", "cscc": "enable", "lscc": "enable", "qscc": "enable"},
        },
        "ledger": {
            "state": {"stateDatabase": "goleveldb", "totalQueryLimit": 100000},
            "history": {"enableHistoryDatabase": True},
            "snapshots": {"rootDir": str(ledger / "snapshots")},
        },
        "operations": {"listenAddress": f"127.0.0.1:{operations}"},
        "metrics": {"provider": "prometheus"},
    }


def _start(
    network: ForeignNetwork, name: str, command: list[str], file: str, content: Mapping[str, Any]
) -> None:
    folder = network.folder / "config" / name
    _write(folder / file, yaml.safe_dump(dict(content), sort_keys=False).encode())
    (network.folder / "production" / name).mkdir(parents=True, exist_ok=True)
    with (folder / "log").open("wb") as log:
        network.programs[name] = subprocess.Popen(
            command,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "FABRIC_CFG_PATH": str(folder), "FABRIC_LOGGING_SPEC": "warn"},
            stdout=log,
            stderr=log,
        )


def _wait_healthy(network: ForeignNetwork, name: str, ports: tuple[int, int, int]) -> None:
    """Until it calls itself healthy, and listens: it does so only afterwards."""
    deadline = time.monotonic() + READY_S
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{ports[1]}/healthz", timeout=2):
                pass
            with socket.create_connection(("127.0.0.1", ports[0]), 2):
                return
        except OSError:
            log = network.folder / "config" / name / "log"
            if network.programs[name].poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{name}: {log.read_text()[-2000:]}") from None
        time.sleep(0.2)


# The genesis block, as configtxgen makes it from a tutorial's configtx.yaml.


def _genesis(network: ForeignNetwork, batch_timeout: str) -> bytes:
    ordering = network.orderers
    consenters = []
    for name, ports in ordering.ports.items():
        certificate = (ordering.folder / "orderers" / name / "tls" / "server.crt").read_bytes()
        consenters.append(
            raft_pb2.Consenter(
                host="localhost", port=ports[0], client_tls_cert=certificate, server_tls_cert=certificate
            )
        )
    options = raft_pb2.Options(
        tick_interval="500ms",
        election_tick=10,
        heartbeat_tick=1,
        max_inflight_blocks=5,
        snapshot_interval_size=16 << 20,
    )
    metadata = raft_pb2.ConfigMetadata(consenters=consenters, options=options).SerializeToString()
    orderer = _group(
        policies={**META, "BlockValidation": ("ANY", "Writers")},
        values={
            "ConsensusType": orderer_pb2.ConsensusType(type="etcdraft", metadata=metadata),
            "BatchSize": orderer_pb2.BatchSize(
                max_message_count=10, absolute_max_bytes=99 << 20, preferred_max_bytes=512 << 10
            ),
            "BatchTimeout": orderer_pb2.BatchTimeout(timeout=batch_timeout),
            "ChannelRestrictions": orderer_pb2.ChannelRestrictions(),
            "Capabilities": _capability("V2_0"),
        },
        groups={
            "OrdererOrg": _group(
                policies={
                    "Readers": f"OR('{ORDERER_MSP}.member')",
                    "Writers": f"OR('{ORDERER_MSP}.member')",
                    "Admins": f"OR('{ORDERER_MSP}.admin')",
                },
                values={
                    "MSP": _msp(ordering),
                    "Endpoints": configuration_pb2.OrdererAddresses(
                        addresses=[f"localhost:{ports[0]}" for ports in ordering.ports.values()]
                    ),
                },
            )
        },
    )
    application = _group(
        policies={
            **META,
            "LifecycleEndorsement": ("MAJORITY", "Endorsement"),
            "Endorsement": ("MAJORITY", "Endorsement"),
        },
        values={"Capabilities": _capability("V2_5")},
        groups={member.mspid: _member(member) for member in network.members},
    )
    root = _group(
        policies=META,
        values={
            "HashingAlgorithm": configuration_pb2.HashingAlgorithm(name="SHA256"),
            "BlockDataHashingStructure": configuration_pb2.BlockDataHashingStructure(width=2**32 - 1),
            "Capabilities": _capability("V2_0"),
        },
        groups={"Orderer": orderer, "Application": application},
    )
    return _block(configtx_pb2.Config(channel_group=root))


META: dict[str, Any] = {
    "Readers": ("ANY", "Readers"),
    "Writers": ("ANY", "Writers"),
    "Admins": ("MAJORITY", "Admins"),
}


def _member(member: Organization) -> Any:
    msp = member.mspid
    anchor = next(iter(member.ports.values()))[0]
    return _group(
        policies={
            "Readers": f"OR('{msp}.admin', '{msp}.peer', '{msp}.client')",
            "Writers": f"OR('{msp}.admin', '{msp}.client')",
            "Admins": f"OR('{msp}.admin')",
            "Endorsement": f"OR('{msp}.peer')",
        },
        values={
            "MSP": _msp(member),
            "AnchorPeers": peer_pb2.AnchorPeers(
                anchor_peers=[peer_pb2.AnchorPeer(host="localhost", port=anchor)]
            ),
        },
    )


def _group(
    policies: Mapping[str, Any], values: Mapping[str, Any], groups: Mapping[str, Any] | None = None
) -> Any:
    group = configtx_pb2.ConfigGroup(mod_policy="Admins")
    for name, rule in policies.items():
        if isinstance(rule, str):
            kind, value = (
                policies_pb2.Policy.SIGNATURE,
                signature_policy_envelope(parse_signature_policy(rule)),
            )
        else:
            kind = policies_pb2.Policy.IMPLICIT_META
            value = policies_pb2.ImplicitMetaPolicy(
                rule=policies_pb2.ImplicitMetaPolicy.Rule.Value(rule[0]), sub_policy=rule[1]
            )
        policy = policies_pb2.Policy(type=kind, value=value.SerializeToString())
        group.policies[name].CopyFrom(configtx_pb2.ConfigPolicy(policy=policy, mod_policy="Admins"))
    for name, value in values.items():
        entry = configtx_pb2.ConfigValue(value=value.SerializeToString(), mod_policy="Admins")
        group.values[name].CopyFrom(entry)
    for name, inner in (groups or {}).items():
        group.groups[name].CopyFrom(inner)
    return group


def _msp(organization: Organization) -> Any:
    def role(unit: str) -> Any:
        return msp_config_pb2.FabricOUIdentifier(
            certificate=organization.ca.pem, organizational_unit_identifier=unit
        )

    config = msp_config_pb2.FabricMSPConfig(
        name=organization.mspid,
        root_certs=[organization.ca.pem],
        tls_root_certs=[organization.tlsca.pem],
        crypto_config=msp_config_pb2.FabricCryptoConfig(
            signature_hash_family="SHA2", identity_identifier_hash_function="SHA256"
        ),
        fabric_node_ous=msp_config_pb2.FabricNodeOUs(
            enable=True,
            client_ou_identifier=role("client"),
            peer_ou_identifier=role("peer"),
            admin_ou_identifier=role("admin"),
            orderer_ou_identifier=role("orderer"),
        ),
    )
    return msp_config_pb2.MSPConfig(type=0, config=config.SerializeToString())


def _capability(name: str) -> Any:
    capabilities = configuration_pb2.Capabilities()
    capabilities.capabilities[name].SetInParent()
    return capabilities


def _block(config: Any) -> bytes:
    nonce = os.urandom(24)
    header = common_pb2.ChannelHeader(
        type=common_pb2.CONFIG, version=1, channel_id=CHANNEL, tx_id=hashlib.sha256(nonce).hexdigest()
    )
    header.timestamp.GetCurrentTime()
    payload = common_pb2.Payload(
        header=common_pb2.Header(
            channel_header=header.SerializeToString(),
            signature_header=common_pb2.SignatureHeader(nonce=nonce).SerializeToString(),
        ),
        data=configtx_pb2.ConfigEnvelope(config=config).SerializeToString(),
    )
    envelope = common_pb2.Envelope(payload=payload.SerializeToString()).SerializeToString()
    block = common_pb2.Block(
        header=common_pb2.BlockHeader(number=0, data_hash=hashlib.sha256(envelope).digest()),
        data=common_pb2.BlockData(data=[envelope]),
    )
    block.metadata.metadata.extend([b""] * 5)
    last = common_pb2.LastConfig(index=0)
    signatures = common_pb2.OrdererBlockMetadata(last_config=last).SerializeToString()
    block.metadata.metadata[common_pb2.SIGNATURES] = common_pb2.Metadata(value=signatures).SerializeToString()
    return bytes(block.SerializeToString())


def _name(common_name: str, domain: str, unit: str) -> x509.Name:
    parts = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
        x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "California"),
        x509.NameAttribute(NameOID.LOCALITY_NAME, "San Francisco"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, domain),
    ]
    if unit:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit))
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=3650))
    )


def _usage(key_cert_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not key_cert_sign,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=key_cert_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
