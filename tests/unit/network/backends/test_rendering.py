# SPDX-License-Identifier: Apache-2.0
"""Compose files and Kubernetes manifests: golden, valid, non-root, and set up as the native backend sets up its nodes.

After looking at what changed, `UPDATE_GOLDEN=1 pytest tests/unit/network/backends/test_rendering.py` renews the
golden files.
"""

from __future__ import annotations

import copy
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from commonwatt_network.backends import compose, containers, kubernetes, native
from commonwatt_network.backends.compose import Compose
from commonwatt_network.backends.containers import MSP_FILES, TLS_FILES, Files, inside
from commonwatt_network.backends.registry import nodes_of
from commonwatt_network.channels.genesis import ensure_genesis_blocks, hosts_of, member_entry, orderer_entry
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import Nodes, settle
from commonwatt_network.model.profiles import common_profile
from commonwatt_network.model.state import State, read_state
from commonwatt_network.model.topology import Topology, load_topology, parse_topology
from commonwatt_network.programs import chaincode_servers as chaincode
from commonwatt_network.programs.chaincode_servers import IN_BASE64
from commonwatt_network.programs.fabric import FabricPrograms
from commonwatt_network.render import render
from commonwatt_network.trust.identity import ensure_identities
from cryptography import x509
from fabric_protos.common import configuration_pb2
from fabric_protos.peer import configuration_pb2 as peer_pb2

GOLDEN = Path(__file__).parent / "golden"
MATERIAL = Path(__file__).parent / "material"
KUBERNETES = "1.34"
# Containers may be on several hosts, the native backend's nodes are on one.
HOSTS_APART = ("gateway.endorsementTimeout", "gateway.broadcastTimeout", "gossip.aliveExpirationTimeout")
INDEX = re.compile(r"\[\d+\]")
OWNER = (1000, 1000)
SECRETS = ("server.key", "key.pem")


def small(sample: str) -> Topology:
    topology = load_topology(sample)
    organizations = {
        name: entry.model_copy(update={"homes": 0}) for name, entry in topology.organizations.items()
    }
    return topology.model_copy(update={"organizations": organizations})


def of_any_version(topology: Topology) -> Topology:
    """The contract's image follows the kit's version; golden files do not."""
    images = topology.images.model_copy(update={"chaincode": "commonwatt-chaincode:golden"})
    return topology.model_copy(update={"images": images})


def on_three_machines() -> Topology:
    topology = small("default")
    where = {"newtown": "192.0.2.1", "grid": "192.0.2.2", "orderers": "192.0.2.3"}
    content = topology.model_dump(mode="json")
    for section in (content["organizations"], content["orderers"]["organizations"]):
        for name, entry in section.items():
            entry["host"] = where[name]
    return Topology.model_validate(content)


def test_machines_may_have_ipv6_addresses(written: Any) -> None:
    content = on_three_machines().model_dump(mode="json")
    content["organizations"]["newtown"]["host"] = "2001:db8::7"
    files = compose.render(written(Topology.model_validate(content), "compose"), OWNER)
    own = yaml.safe_load(files["2001:db8::7/compose.yaml"].content)["services"]["peer0.newtown"]
    assert own["ports"][0].startswith("[2001:db8::7]:")
    other = yaml.safe_load(files["192.0.2.2/compose.yaml"].content)["services"]["peer0.grid"]
    assert "peer0.newtown:2001:db8::7" in other["extra_hosts"]


def by_dns_names() -> Topology:
    """Newtown's peers share a machine that DNS alone knows, the orderers another; the grid's has an address."""
    content = on_three_machines().model_dump(mode="json")
    content["organizations"]["newtown"] |= {"host": "peers.newtown.example", "peers": 2}
    content["orderers"]["organizations"]["orderers"]["host"] = "orderers.example"
    return Topology.model_validate(content)


def test_machines_may_have_dns_names(written: Any) -> None:
    files = compose.render(nodes := written(by_dns_names(), "compose"), OWNER)
    own = yaml.safe_load(files["peers.newtown.example/compose.yaml"].content)["services"]
    # Both are published at every address, and reach each other through the machine that both are on.
    for peer in ("peer0.newtown", "peer1.newtown"):
        [port] = [node.port for node in nodes.peers if node.name == peer]
        assert own[peer]["ports"][0] == f"0.0.0.0:{port}:{port}"
        assert own[peer]["extra_hosts"] == [
            "peers.newtown.example:host-gateway", "peer0.grid:192.0.2.2", "market.grid:192.0.2.2",
        ]  # fmt: skip
        core = yaml.safe_load(files[f"peers.newtown.example/{peer}/core.yaml"].content)["peer"]
        assert core["address"] == f"peers.newtown.example:{port}"
        assert core["gossip"]["externalEndpoint"] == core["address"]
        assert core["gossip"]["bootstrap"] == f"peers.newtown.example:{nodes.peers[0].port}"
    # The machine that has an address leaves names to DNS.
    grid = yaml.safe_load(files["192.0.2.2/compose.yaml"].content)["services"]["peer0.grid"]
    assert "extra_hosts" not in grid


def test_a_machines_dns_name_is_in_certificates_channels_and_profiles(tmp_path: Path) -> None:
    topology = by_dns_names()
    render(tmp_path / "network", topology, "compose", tmp_path / "out")
    layout = Layout(tmp_path / "network")
    nodes = nodes_of(layout, read_state(layout))
    certificate = (tmp_path / "out" / "orderers.example" / "orderer0" / "tls" / "server.crt").read_bytes()
    assert "orderers.example" in hosts_of(x509.load_pem_x509_certificate(certificate))
    inside, outside = Compose().among_themselves(nodes), Compose().dialled(nodes)
    port = {node.name: node.port for node in nodes.fabric_nodes}
    anchors = member_entry(inside, "newtown", "members").values["AnchorPeers"].value
    [anchor] = peer_pb2.AnchorPeers.FromString(anchors).anchor_peers
    assert (anchor.host, anchor.port) == ("peers.newtown.example", port["peer0.newtown"])
    endpoints = orderer_entry(inside, "orderers", "members").values["Endpoints"].value
    [address] = configuration_pb2.OrdererAddresses.FromString(endpoints).addresses
    assert address == f"orderers.example:{port['orderer0']}"
    profile = common_profile(outside, "newtown")
    assert (
        profile["peers"]["peer1.newtown"]["url"] == f"grpcs://peers.newtown.example:{port['peer1.newtown']}"
    )
    assert profile["orderers"]["orderer0"]["url"] == f"grpcs://{address}"


def test_a_cluster_chooses_its_machines(written: Any) -> None:
    with pytest.raises(UsageError, match="take `host` from orderers, newtown, grid in the topology"):
        kubernetes.render(written(by_dns_names(), "kubernetes"))


def settled(topology: Topology, backend: str, directory: Path = Path("/network")) -> Nodes:
    return nodes_of(Layout(directory), State(topology, backend, 16000))


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Any]:
    """Nodes that all have the one pair of `material`, so that what is rendered never changes."""

    def write(topology: Topology, backend: str) -> Nodes:
        layout = Layout(tmp_path / backend)
        nodes = settled(topology, backend, layout.directory)
        files = [layout.tls_ca_certificate(name) for name in _organizations(topology)]
        for node in nodes.fabric_nodes:
            files += [node.directory / "msp" / name for name in MSP_FILES]
            files += [node.directory / "tls" / name for name in TLS_FILES]
        for organization in topology.organizations:
            for folder in (layout.chaincode_tls(organization), layout.chaincode_client_tls(organization)):
                files += [folder / name for name in TLS_FILES]
        for file in files:
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(MATERIAL / ("key.pem" if file.name in SECRETS else "certificate.pem"), file)
        return nodes

    return write


def _organizations(topology: Topology) -> list[str]:
    return [*topology.orderers.organizations, *topology.organizations]


def _check_golden(folder: Path, files: Files) -> None:
    rendered = {name: file.content.decode() for name, file in files.items() if not name.endswith(SECRETS)}
    if os.environ.get("UPDATE_GOLDEN"):
        shutil.rmtree(folder, ignore_errors=True)
        for name, text in rendered.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    golden = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert sorted(rendered) == sorted(golden), "UPDATE_GOLDEN=1 renews the golden files"
    for name, text in rendered.items():
        assert text == golden[name], f"{name} changed; UPDATE_GOLDEN=1 renews the golden files"


@pytest.fixture
def configurations_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave core.yaml and orderer.yaml out of what is golden here: other tests hold them to the native backend's."""
    monkeypatch.setattr(containers, "peer_configuration", lambda peer, *_, **__: f"# {peer.name}\n")
    monkeypatch.setattr(containers, "orderer_configuration", lambda orderer, *_: f"# {orderer.name}\n")
    monkeypatch.setattr(compose, "_project", lambda nodes, machine: "commonwatt-golden")


@pytest.mark.usefixtures("configurations_apart")
def test_compose_files_are_golden(written: Any) -> None:
    files = compose.render(written(of_any_version(small("default")), "compose"), OWNER)
    made = {name: file for name, file in files.items() if name.endswith(("compose.yaml", ".env"))}
    _check_golden(GOLDEN / "compose", made)  # the rest are copies of keys and certificates


@pytest.mark.usefixtures("configurations_apart")
def test_kubernetes_manifests_are_golden(written: Any) -> None:
    nodes = written(of_any_version(small("default")), "kubernetes")
    _check_golden(GOLDEN / "kubernetes", kubernetes.render(nodes))


def test_rendering_again_gives_the_same(written: Any) -> None:
    nodes = written(small("three-orderers"), "kubernetes")
    assert kubernetes.render(nodes) == kubernetes.render(nodes)
    nodes = written(small("three-orderers"), "compose")
    assert compose.render(nodes) == compose.render(nodes)


def manifests(files: Files) -> list[dict[str, Any]]:
    return [entry for file in files.values() for entry in yaml.safe_load_all(file.content) if entry]


@pytest.mark.parametrize(
    "sample",
    [
        "default",
        pytest.param("five-orderers", marks=pytest.mark.long),
        pytest.param("bft", marks=pytest.mark.long),
    ],
)
def test_manifests_satisfy_the_schemas_of_kubernetes(sample: str, written: Any) -> None:
    found = manifests(kubernetes.render(written(small(sample), "kubernetes")))
    for manifest in found:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    kinds = {manifest["kind"] for manifest in found}
    assert kinds == {
        "Namespace", "NetworkPolicy", "PodDisruptionBudget", "ConfigMap", "Service", "StatefulSet", "Deployment",
        "Secret",
    }  # fmt: skip


def test_the_schemas_do_refuse_mistakes(written: Any) -> None:
    manifest = next(
        entry for entry in manifests(kubernetes.render(written(small("default"), "kubernetes")))
        if entry["kind"] == "StatefulSet"
    )  # fmt: skip
    broken = copy.deepcopy(manifest)
    broken["spec"]["template"]["spec"]["containers"][0]["readyProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readyProbe"):
        kubernetes_validate.validate(broken, KUBERNETES, strict=True)


def test_every_pod_is_confined_and_probed_and_keeps_its_ledger(written: Any) -> None:
    for manifest in manifests(kubernetes.render(written(small("default"), "kubernetes"))):
        if manifest["kind"] not in ("StatefulSet", "Deployment"):
            continue
        pod = manifest["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
        assert set(container["resources"]["limits"]) == {"cpu", "memory"}
        assert bool(manifest["spec"].get("volumeClaimTemplates")) == (manifest["kind"] == "StatefulSet")


def test_keys_lie_in_secrets_alone(written: Any) -> None:
    for manifest in manifests(kubernetes.render(written(small("default"), "kubernetes"))):
        keys = [key for key in manifest.get("data", {}) if key.endswith(("server.key", "key.pem"))]
        assert bool(keys) == (manifest["kind"] == "Secret")
    files = compose.render(written(small("default"), "compose"))
    assert {file.mode for name, file in files.items() if name.endswith(SECRETS)} == {0o600}


def test_every_compose_service_is_confined_watched_and_limited(written: Any) -> None:
    files = compose.render(written(small("default"), "compose"), OWNER)
    for service in yaml.safe_load(files["local/compose.yaml"].content)["services"].values():
        assert service["user"].startswith("${COMMONWATT_USER:?")
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["healthcheck"]["test"]
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
        assert ":latest" not in service["image"]
        ports = service.get("ports", [])
        assert all(port.startswith("127.0.0.1:") for port in ports)
        wanted = {"orderer0": 3, "market.newtown": 0, "market.grid": 0}
        assert len(ports) == wanted.get(_node_of(service), 2), (
            "chaincode is dialled by its peers, among the containers"
        )
    assert b"COMMONWATT_USER=1000:1000" in files["local/.env"].content


def test_compose_accepts_the_files(written: Any, tmp_path: Path) -> None:
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        pytest.skip("docker has no compose plugin here")
    for machine, folder in _compose_folders(written, tmp_path):
        answer = subprocess.run(
            ["docker", "compose", "--project-directory", str(folder), "config", "--quiet"],
            capture_output=True,
            text=True,
        )
        assert answer.returncode == 0, (machine, answer.stderr)


def test_compose_files_satisfy_the_compose_specification(written: Any, tmp_path: Path) -> None:
    compose_spec = pytest.importorskip("compose_spec", reason="no compose-spec wheel for this machine")
    for _, folder in _compose_folders(written, tmp_path):
        text = (folder / "compose.yaml").read_text()
        content = _merged(yaml.safe_load(re.sub(r"\$\{COMMONWATT_USER[^}]*\}", "1000:1000", text)))
        parsed = compose_spec.PyCompose.from_yaml(yaml.safe_dump(content))
        assert set(parsed.services) == set(content["services"])


def _merged(content: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if not name.startswith("x-")}


def _compose_folders(written: Any, tmp_path: Path) -> list[tuple[str, Path]]:
    folders = []
    for number, topology in enumerate((small("default"), small("three-orderers"), on_three_machines())):
        output = tmp_path / f"out{number}"
        Compose().write(output, compose.render(written(topology, "compose")))
        folders += [(folder.name, folder) for folder in sorted(output.iterdir())]
    return folders


def test_one_compose_file_per_machine_each_knowing_the_others(written: Any) -> None:
    files = compose.render(written(on_three_machines(), "compose"), OWNER)
    found = {name.split("/")[0]: file for name, file in files.items() if name.endswith("compose.yaml")}
    assert sorted(found) == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    newtown = yaml.safe_load(found["192.0.2.1"].content)["services"]
    assert sorted(map(_node_of, newtown.values())) == ["market.newtown", "peer0.newtown"]
    assert newtown["peer0.newtown"]["extra_hosts"] == [
        "orderer0.orderers:192.0.2.3", "peer0.grid:192.0.2.2", "market.grid:192.0.2.2",
    ]  # fmt: skip
    assert newtown["peer0.newtown"]["ports"][0].startswith("192.0.2.1:")
    assert newtown["peer0.newtown"]["ports"][1].startswith("127.0.0.1:"), "operations stay on the machine"
    assert not [name for name in files if name.startswith("192.0.2.1/") and "grid" in name], (
        "nobody else's keys"
    )


def test_what_containers_read_is_their_users_with_every_folder(
    written: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders are their owner's alone: one left to root would hide the keys from a container without root."""
    given: set[Path] = set()
    monkeypatch.setattr(containers.os, "chown", lambda path, *owner: given.add(Path(path)))
    files = compose.render(written(small("default"), "compose"), OWNER)
    containers.write_files(tmp_path / "out", files, OWNER)
    assert given == set((tmp_path / "out").rglob("*"))


def test_parts_of_one_network_are_projects_of_their_own_on_one_engine(written: Any) -> None:
    files = compose.render(written(on_three_machines(), "compose"), OWNER)
    assert len({file.content for name, file in files.items() if name.endswith(".env")}) == 3


def test_a_topology_half_on_machines_is_refused(written: Any) -> None:
    content = on_three_machines().model_dump(mode="json")
    content["organizations"]["grid"]["host"] = None
    with pytest.raises(UsageError, match="some have none"):
        compose.render(written(Topology.model_validate(content), "compose"))


def test_images_are_pinned_a_digest_may_follow() -> None:
    text = yaml.safe_dump(small("default").model_dump(mode="json"))
    digest = "hyperledger/fabric-peer:3.1.5@sha256:" + "0" * 64
    assert parse_topology(text.replace("hyperledger/fabric-peer:3.1.5", digest)).images.peer == digest
    for unpinned in ("hyperledger/fabric-peer", "hyperledger/fabric-peer:latest"):
        with pytest.raises(UsageError, match=r"images\.peer"):
            parse_topology(text.replace("hyperledger/fabric-peer:3.1.5", unpinned))


def flat(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {key: entry for name in value for key, entry in flat(value[name], f"{path}.{name}").items()}
    if isinstance(value, list):
        return {
            key: entry for n, item in enumerate(value) for key, entry in flat(item, f"{path}[{n}]").items()
        }
    return {path: value}


# What may differ between a program on this machine and a container: where it listens, and where its files are.
PLACES = (
    "listenAddress", "ListenAddress", "peer.address", "gossip.bootstrap", "gossip.endpoint", "gossip.externalEndpoint",
    "fileSystemPath", "mspConfigPath", "file", "rootDir", "path", "LocalMSPDir", "Certificate", "PrivateKey",
    "ClientCertificate", "ClientPrivateKey", "Location", "WALDir", "SnapDir",
)  # fmt: skip


@pytest.mark.parametrize("backend", ["compose", "kubernetes"])
def test_settings_are_those_of_the_native_backend(backend: str, written: Any, tmp_path: Path) -> None:
    topology = small("three-orderers")
    fabric = FabricPrograms(Path("/bin/peer"), Path("/bin/orderer"), (3, 1, 5))
    plain = settle(topology, Layout(tmp_path / backend), 16000)
    contained = written(topology, backend)
    programs = {program.name: program for program in native.node_programs(plain, fabric)}
    files = _configurations(backend, contained)
    for node in plain.fabric_nodes:
        name = "core.yaml" if node in plain.peers else "orderer.yaml"
        ours = flat(yaml.safe_load(files[node.name]))
        theirs = flat(yaml.safe_load((programs[node.name].directory / name).read_text()))
        assert list(ours) == list(theirs)
        differing = {key for key in theirs if ours[key] != theirs[key] and not key.endswith(HOSTS_APART)}
        assert not [
            key for key in differing if not INDEX.sub("", key).endswith((*PLACES, "RootCAs", "ClientRootCAs"))
        ]


def test_peers_take_blocks_from_orderers_alone(tmp_path: Path) -> None:
    """A peer of 3.1 that had one from another peer, while it was without an orderer, waited for it for good."""
    plain = settle(small("three-orderers"), Layout(tmp_path), 16000)
    for program in native.node_programs(
        plain, FabricPrograms(Path("/bin/peer"), Path("/bin/orderer"), (3, 1, 5))
    ):
        if (file := program.directory / "core.yaml").exists():
            peer = yaml.safe_load(file.read_text())["peer"]
            assert peer["deliveryclient"]["blockGossipEnabled"] is False
            assert peer["gossip"] == {
                **peer["gossip"], "state": {"enabled": False}, "orgLeader": True, "useLeaderElection": False,
            }  # fmt: skip


@pytest.mark.parametrize("backend", ["compose", "kubernetes"])
def test_environments_are_those_of_the_native_backend(backend: str, written: Any, tmp_path: Path) -> None:
    topology = small("default")
    fabric = FabricPrograms(Path("/bin/peer"), Path("/bin/orderer"), (3, 1, 5))
    plain = settle(topology, Layout(tmp_path / backend), 16000)
    environments = _environments(backend, written(topology, backend))
    programs = [*native.node_programs(plain, fabric), *chaincode.server_programs(plain)]
    places = {
        "FABRIC_CFG_PATH", "CHAINCODE_SERVER_ADDRESS", "CORE_CHAINCODE_ADDRESS",
        "CHAINCODE_TLS_CERT", "CORE_CHAINCODE_TLS_CERT_FILE", "CORE_TLS_CLIENT_CERT_FILE",
        "CHAINCODE_TLS_KEY", "CORE_CHAINCODE_TLS_KEY_FILE", "CORE_TLS_CLIENT_KEY_FILE",
        "CHAINCODE_CLIENT_CA_CERT", "CHAINCODE_TLS_CLIENT_CACERT", "CORE_CHAINCODE_TLS_CLIENT_CACERT_FILE",
        "CORE_PEER_TLS_ROOTCERT_FILE", "CHAINCODE_CLIENT_CERTS",
        "CHAINCODE_ID", "CORE_CHAINCODE_ID", "CORE_CHAINCODE_ID_NAME",  # the package's hash: it holds the address
    }  # fmt: skip
    assert sorted(environments) == sorted(program.name for program in programs)
    for program in programs:
        ours = environments[program.name]
        ours.pop("GRPC_VERBOSITY", None)  # else each of the engine's health checks is a line of the log
        assert set(ours) == set(program.environment) - {*IN_BASE64}  # which our images' Python never reads
        assert {name for name in ours if ours[name] != program.environment[name]} <= places


def _configurations(backend: str, nodes: Nodes) -> dict[str, str]:
    """Node -> its core.yaml or orderer.yaml, as its container finds it."""
    if backend == "compose":
        files = compose.render(nodes)
        return {
            name.split("/")[1]: file.content.decode()
            for name, file in files.items()
            if name.endswith(("core.yaml", "orderer.yaml"))
        }
    return {
        _node_name(manifest): text
        for manifest in manifests(kubernetes.render(nodes))
        if manifest["kind"] == "ConfigMap"
        for key, text in manifest["data"].items()
        if key in ("core.yaml", "orderer.yaml")
    }


def _environments(backend: str, nodes: Nodes) -> dict[str, dict[str, str]]:
    if backend == "compose":
        services = yaml.safe_load(compose.render(nodes)["local/compose.yaml"].content)["services"]
        return {_node_of(service): service["environment"] for service in services.values()}
    return {
        _node_name(manifest): {
            entry["name"]: entry["value"]
            for entry in manifest["spec"]["template"]["spec"]["containers"][0]["env"]
        }
        for manifest in manifests(kubernetes.render(nodes))
        if manifest["kind"] in ("StatefulSet", "Deployment")
    }


def _node_of(service: dict[str, Any]) -> str:
    return str(service["labels"]["commonwatt.node"])


def _node_name(manifest: dict[str, Any]) -> str:
    labels, namespace = manifest["metadata"]["labels"], manifest["metadata"]["namespace"]
    name = str(labels["app.kubernetes.io/name"])
    return name if name.startswith("orderer") else f"{name}.{namespace}"


def test_certificates_name_what_containers_dial(tmp_path: Path) -> None:
    nodes = settled(small("default"), "compose", tmp_path)
    ensure_identities(nodes)
    assert ensure_genesis_blocks(inside(nodes)), "every node's TLS certificate is checked against its address"


def test_render_writes_once_and_refuses_a_foreign_folder(tmp_path: Path) -> None:
    output = tmp_path / "out"
    first = {path: path.read_bytes() for path in render(tmp_path / "n", small("default"), "compose", output)}
    again = render(tmp_path / "n", None, "compose", output)
    assert first == {path: path.read_bytes() for path in again}
    (output / "letters").mkdir()
    with pytest.raises(UsageError, match="letters"):
        render(tmp_path / "n", None, "compose", output)
    with pytest.raises(UsageError, match="is compose, not kubernetes"):
        render(tmp_path / "n", None, "kubernetes", tmp_path / "other")
    with pytest.raises(UsageError, match="only compose and kubernetes"):
        render(tmp_path / "m", None, "native", tmp_path / "other")
