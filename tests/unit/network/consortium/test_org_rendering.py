# SPDX-License-Identifier: Apache-2.0
"""What an organisation renders of itself: valid, its own, without a key of anybody else's."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from commonwatt_network.consortium.expressions import as_helm
from commonwatt_network.consortium.host import OwnHost, init_host, lose_logs, open_host, start_host
from commonwatt_network.consortium.organization import OrganizationDescription
from commonwatt_network.consortium.rendering import containers_of, render_host
from commonwatt_network.consortium.values import GivenValues, Values, settle_values
from commonwatt_network.errors import UsageError
from cryptography.hazmat.primitives.serialization import load_pem_private_key

KUBERNETES = "1.34"
IN_BASE64 = re.compile(rb": \"?([A-Za-z0-9+/]{64,}={0,2})\"?,?$", re.MULTILINE)
VALUES = """
storage: {className: fast, size: 200Gi}
images: {peer: "registry.example/peer:3.1.5"}
imagePullSecrets: [{name: registry}]
tolerations: [{key: ledgers, operator: Exists, effect: NoSchedule}]
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms: [{matchExpressions: [{key: disk, operator: In, values: [ssd]}]}]
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: zone
    whenUnsatisfiable: DoNotSchedule
    labelSelector: {matchLabels: {app.kubernetes.io/component: peer}}
priorityClassName: ledgers
podAnnotations: {backup.example/volumes: ledger}
outside:
  type: NodePort
  annotations: {balancer.example/internal: "true"}
  nodeAnnotations: {peer1: {balancer.example/pool: members, balancer.example/internal: "false"}}
  addresses: {peer1: 192.0.2.18}
updateStrategy: OnDelete
secrets: {peer0: from-the-vault}
resources: {peer: {requests: {cpu: "1", memory: 2Gi}, limits: {cpu: "4", memory: 4Gi}}}
"""


def describe(name: str) -> OrganizationDescription:
    return OrganizationDescription.model_validate(
        {
            "name": name,
            "orderers": [{"host": f"{name}.example"}],
            "peers": [
                {"host": f"{name}.example", "port": 443, "listen": "192.0.2.7", "listen_port": 7051},
                {"host": f"peer1.{name}.example", "port": 7061, "operations_port": 9445},
            ],
            "users": {"operator": {"role": "operator"}},
            "homes": 2,
        }
    )


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, OwnHost]:
    folder = tmp_path_factory.mktemp("organisations")
    return {name: init_host(describe(name), folder / name) for name in ("newtown", "glebe")}


@pytest.fixture
def newtown(hosts: dict[str, OwnHost]) -> OwnHost:
    return hosts["newtown"]


def rendered(host: OwnHost, way: str, folder: Path, values: Path | None = None) -> dict[str, bytes]:
    paths = render_host(host.layout.directory, way, folder / way, values)
    return {str(path.relative_to(folder / way)): path.read_bytes() for path in paths}


def secrets_of(folder: Path) -> dict[bytes, str]:
    """The secret number of every private key in an organisation's folder, and whose it is."""
    found = {}
    for path in (folder / "organizations").rglob("*"):
        if path.is_file() and b"PRIVATE KEY" in path.read_bytes():
            key: Any = load_pem_private_key(path.read_bytes(), None)
            found[key.private_numbers().private_value.to_bytes(32)] = str(path.relative_to(folder))
    return found


def keys_in(content: bytes) -> set[bytes]:
    """The secret numbers of the private keys in a rendered file, also those in base64 of a Secret."""
    texts = [content, *map(base64.b64decode, IN_BASE64.findall(content))]
    found = set()
    for text in texts:
        for part in text.split(b"-----BEGIN PRIVATE KEY-----")[1:]:
            key: Any = load_pem_private_key(b"-----BEGIN PRIVATE KEY-----" + part, None)
            found.add(key.private_numbers().private_value.to_bytes(32))
    return found


@pytest.mark.parametrize("way", ["compose", "kubernetes", "helm"])
def test_only_the_keys_of_its_own_nodes_are_rendered(
    hosts: dict[str, OwnHost], way: str, tmp_path: Path
) -> None:
    own, other = (secrets_of(host.layout.directory) for host in hosts.values())
    files = rendered(hosts["newtown"], way, tmp_path)
    shown = set().union(*(keys_in(content) for content in files.values()))
    assert shown
    assert not shown & other.keys()
    # Of its own: those of nodes and chaincode. Authorities' and users' keys stay in the folder.
    assert {path.split("/")[2] for key, path in own.items() if key in shown} == {
        "orderers",
        "peers",
        "chaincode",
    }
    assert len(shown) == 2 + 2 * 2 + 1
    for name in files:
        path = tmp_path / way / name
        assert not keys_in(path.read_bytes()) or path.stat().st_mode & 0o077 == 0, name
        for stranger in (b"glebe", b"GlebeMSP"):
            assert stranger not in path.read_bytes()


def test_the_machine_publishes_what_others_dial_and_nothing_more(newtown: OwnHost, tmp_path: Path) -> None:
    services = yaml.safe_load(rendered(newtown, "compose", tmp_path)["compose.yaml"])["services"]
    assert {name: service.get("ports") for name, service in services.items()} == {
        "orderer0.newtown": ["0.0.0.0:7050:7050", "127.0.0.1:7053:7053", "127.0.0.1:9443:9443"],
        "peer0.newtown": ["192.0.2.7:7051:7051", "127.0.0.1:9444:9444"],
        "peer1.newtown": ["0.0.0.0:7061:7061", "127.0.0.1:9445:9445"],
        "market.newtown": None,
    }
    aliases = {name: service["networks"]["fabric"]["aliases"] for name, service in services.items()}
    # newtown.example is two nodes' name, so no container alone may answer to it.
    assert aliases["peer0.newtown"] == ["peer0.newtown", "peer0"]
    assert aliases["peer1.newtown"] == ["peer1.newtown", "peer1", "peer1.newtown.example"]
    assert "market" in aliases["market.newtown"]
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
    core = yaml.safe_load((tmp_path / "compose" / "peer0.newtown" / "core.yaml").read_bytes())["peer"]
    assert (core["listenAddress"], core["address"]) == ("0.0.0.0:7051", "newtown.example:443")
    # The peers dial the chaincode by the name that its certificate has.
    assert open_host(newtown.layout.directory).chaincode_servers[0].address == "market:7052"


def test_an_orderer_that_lost_its_log_gets_no_container_and_no_former_log(tmp_path: Path) -> None:
    host = init_host(describe("newtown"), tmp_path / "newtown")
    lose_logs(host)
    log = tmp_path / "compose" / "ledgers" / "orderer0.newtown"
    (log / "etcdraft").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"former log of orderer0\.newtown"):
        rendered(host, "compose", tmp_path)
    shutil.rmtree(log)
    services = yaml.safe_load(rendered(host, "compose", tmp_path)["compose.yaml"])["services"]
    assert services.keys() == {"peer0.newtown", "peer1.newtown", "market.newtown"}
    (values := tmp_path / "values.yaml").write_text("outside: {addresses: {orderer0: 192.0.2.16}}\n")
    manifests = yaml.safe_load_all(rendered(host, "kubernetes", tmp_path, values)["newtown.yaml"])
    assert not [each for each in manifests if each["metadata"]["name"].startswith("orderer0")]


def test_manifests_are_valid_and_take_the_values(newtown: OwnHost, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(VALUES)
    for file in (None, values):
        files = rendered(newtown, "kubernetes", tmp_path, file)
        for name, content in files.items():
            for document in yaml.safe_load_all(content):
                kubernetes_validate.validate(document, KUBERNETES, strict=True)
                assert document["metadata"].get("namespace", "newtown") == "newtown", name
    _check_values(list(yaml.safe_load_all(files["newtown.yaml"])))


OPENED = """
outside: {type: Ingress, ingressClassName: nginx, annotations: {nginx.ingress.kubernetes.io/proxy-read-timeout: "3600"}}
monitoring: {serviceMonitor: true, labels: {release: prometheus}, interval: 15s}
snapshots: {name: "2027-01-31", className: fast, restore: {peer1: peer1-2026-12-31}}
storage: {className: fast, size: 200Gi}
"""


def describe_by_name() -> OrganizationDescription:
    """Each node has a DNS name of its own, at the port of a controller that passes TLS on by names."""
    content = describe("newtown").model_dump(mode="json")
    for section, kind in (("orderers", "orderer"), ("peers", "peer")):
        for number, node in enumerate(content[section]):
            node |= {"host": f"{kind.title()}{number}.newtown.example", "port": 443}
            node["listen_port"] = 7050 + number + 100 * len(kind)
    return OrganizationDescription.model_validate(content)


@pytest.fixture(scope="module")
def by_name(tmp_path_factory: pytest.TempPathFactory) -> OwnHost:
    return init_host(describe_by_name(), tmp_path_factory.mktemp("by-name") / "newtown")


def test_an_ingress_tells_nodes_apart_by_name_and_volumes_are_snapshot(
    by_name: OwnHost, tmp_path: Path
) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(OPENED)
    documents = list(yaml.safe_load_all(rendered(by_name, "kubernetes", tmp_path, values)["newtown.yaml"]))
    _check_opened(documents, "newtown")


def _check_opened(documents: list[dict[str, Any]], namespace: str) -> None:
    of_others = {"ServiceMonitor", "VolumeSnapshot"}  # kinds that Kubernetes itself has no schema of
    for document in documents:
        assert document["metadata"].get("namespace", namespace) == namespace
        if document["kind"] not in of_others:
            kubernetes_validate.validate(document, KUBERNETES, strict=True)
    named = {(each["kind"], each["metadata"]["name"]): each for each in documents}
    assert not [name for kind, name in named if kind == "Service" and name.endswith("-outside")]
    for node in ("orderer0", "peer0", "peer1"):
        ingress = named["Ingress", node]
        host = f"{node}.newtown.example"
        [rule] = ingress["spec"]["rules"]
        assert (rule["host"], ingress["spec"]["tls"]) == (host, [{"hosts": [host]}])
        assert ingress["spec"]["ingressClassName"] == "nginx"
        backend = rule["http"]["paths"][0]["backend"]["service"]
        assert backend == {"name": node, "port": {"name": "grpc"}}
        assert "grpc" in [port["name"] for port in named["Service", node]["spec"]["ports"]]
        annotations = ingress["metadata"]["annotations"]
        assert annotations["nginx.ingress.kubernetes.io/ssl-passthrough"] == "true"
        assert annotations["haproxy.org/ssl-passthrough"] == "true"
        assert annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"] == "3600"
        snapshot = named["VolumeSnapshot", f"{node}-2027-01-31"]
        assert snapshot["spec"]["volumeSnapshotClassName"] == "fast"
        claim = named["StatefulSet", node]["spec"]["volumeClaimTemplates"][0]["metadata"]["name"]
        assert snapshot["spec"]["source"] == {"persistentVolumeClaimName": f"{claim}-{node}-0"}
        assert snapshot["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    [volume] = [each for each in documents if each["kind"] == "PersistentVolumeClaim"]
    assert volume["metadata"]["name"] == "ledger-peer1-0"
    template = named["StatefulSet", "peer1"]["spec"]["volumeClaimTemplates"][0]["spec"]
    assert {name: volume["spec"][name] for name in template} == template
    assert volume["spec"]["dataSource"] == {
        "apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "peer1-2026-12-31",
    }  # fmt: skip
    monitor = named["ServiceMonitor", "operations"]
    assert monitor["metadata"]["labels"] == {"release": "prometheus"}
    [endpoint] = monitor["spec"]["endpoints"]
    assert (endpoint["port"], endpoint["scheme"], endpoint["interval"]) == ("operations", "http", "15s")
    assert {each["targetLabel"] for each in endpoint["relabelings"]} == {
        "job", "network", "kind", "organization", "node",
    }  # fmt: skip


def test_what_the_values_do_not_ask_for_is_not_made(by_name: OwnHost, tmp_path: Path) -> None:
    kinds = {
        each["kind"] for each in yaml.safe_load_all(rendered(by_name, "kubernetes", tmp_path)["newtown.yaml"])
    }
    assert not kinds & {"Ingress", "ServiceMonitor", "VolumeSnapshot", "PersistentVolumeClaim"}


@pytest.mark.parametrize(
    ("hosts", "says"),
    [
        (("peer.newtown.example", "peer.newtown.example"), "peer0.newtown and peer1.newtown share the name"),
        (("192.0.2.7", "peer.newtown.example"), "TLS names no addresses, so peer0.newtown at 192.0.2.7"),
    ],
)
def test_an_ingress_for_nodes_that_it_cannot_tell_apart_is_refused(
    tmp_path: Path, hosts: tuple[str, str], says: str
) -> None:
    content = describe_by_name().model_dump(mode="json")
    for node, host in zip(content["peers"], hosts, strict=True):
        node["host"] = host
    host = init_host(OrganizationDescription.model_validate(content), tmp_path / "newtown")
    (values := tmp_path / "values.yaml").write_text("outside: {type: Ingress}\n")
    with pytest.raises(UsageError, match=says):
        rendered(host, "kubernetes", tmp_path, values)
    assert not (tmp_path / "kubernetes").exists()
    template = rendered(host, "helm", tmp_path)["chart/templates/newtown.yaml"].decode()
    assert f'{{{{ fail "outside.type Ingress: {says}' in template


def _check_values(documents: list[dict[str, Any]]) -> None:
    named = {(each["kind"], each["metadata"]["name"]): each for each in documents}
    pod = named["StatefulSet", "peer0"]["spec"]["template"]
    spec = pod["spec"]
    assert spec["containers"][0]["image"] == "registry.example/peer:3.1.5"
    assert spec["containers"][0]["resources"]["limits"] == {"cpu": "4", "memory": "4Gi"}
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    assert spec["tolerations"][0]["key"] == "ledgers"
    assert spec["topologySpreadConstraints"][0]["topologyKey"] == "zone"
    assert "nodeAffinity" in spec["affinity"]
    assert spec["priorityClassName"] == "ledgers"
    assert pod["metadata"]["annotations"]["backup.example/volumes"] == "ledger"
    assert len(pod["metadata"]["annotations"]["commonwatt-configuration"]) == 16
    [configuration] = [volume for volume in spec["volumes"] if volume["name"] == "configuration"]
    assert configuration["projected"]["sources"][1]["secret"]["name"] == "from-the-vault"
    claim = named["StatefulSet", "peer0"]["spec"]["volumeClaimTemplates"][0]["spec"]
    assert claim["storageClassName"] == "fast"
    assert claim["resources"]["requests"]["storage"] == "200Gi"
    outside = named["Service", "peer0-outside"]
    assert outside["spec"]["type"] == "NodePort"
    assert outside["spec"]["ports"] == [{"name": "grpc", "port": 443, "targetPort": "grpc"}]
    assert outside["metadata"]["annotations"] == {"balancer.example/internal": "true"}
    assert spec["containers"][0]["ports"][0] == {"name": "grpc", "containerPort": 7051}
    named_by_itself = named["Service", "peer1-outside"]["metadata"]["annotations"]
    assert named_by_itself["external-dns.alpha.kubernetes.io/hostname"] == "peer1.newtown.example"
    assert named_by_itself["balancer.example/pool"] == "members"
    assert named_by_itself["balancer.example/internal"] == "false"
    assert {outside["spec"].get("loadBalancerIP"), named["Service", "peer1-outside"]["spec"]["loadBalancerIP"]} == {
        None, "192.0.2.18",
    }  # fmt: skip
    assert named["StatefulSet", "orderer0"]["spec"]["updateStrategy"] == {"type": "OnDelete"}
    assert ("Service", "market-outside") not in named


def test_the_secrets_have_the_names_that_the_values_say(newtown: OwnHost, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("secrets: {peer0: from-the-vault}\n")
    files = rendered(newtown, "kubernetes", tmp_path, values)
    names = [each["metadata"]["name"] for each in yaml.safe_load_all(files["newtown-secrets.yaml"])]
    assert names == ["orderer0", "from-the-vault", "peer1", "market"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("storage: {clas: fast}\n", "storage"),
        ("storage: {size: much}\n", "quantity"),
        ("secrets: {peer7: x}\n", "secrets.peer7 is none of orderer0, peer0, peer1, market"),
        ("resources: {couchdb: {requests: {cpu: '1'}, limits: {cpu: '1'}}}\n", "resources.couchdb"),
        ("outside: {type: Gateway}\n", "outside"),
        ("snapshots: {name: January 31}\n", "snapshots"),
        ("snapshots: {restore: {market: market-1}}\n", "snapshots.restore.market is none of orderer0, peer0"),
        (
            "outside: {addresses: {market: 192.0.2.1}}\n",
            "outside.addresses.market is none of orderer0, peer0",
        ),
        ("outside: {nodeAnnotations: {peer7: {}}}\n", "outside.nodeAnnotations.peer7 is none of orderer0"),
        ("outside: {addresses: {peer0: peer0.example}}\n", "outside"),
        ("updateStrategy: Sometimes\n", "updateStrategy"),
        ("monitoring: {interval: often}\n", "monitoring"),
        ("[]\n", "mapping"),
    ],
)
def test_values_that_mean_nothing_are_refused(newtown: OwnHost, tmp_path: Path, text: str, says: str) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(text)
    with pytest.raises(UsageError, match=says):
        settle_values(containers_of(newtown), values)
    with pytest.raises(UsageError, match="No such file"):
        settle_values(containers_of(newtown), tmp_path / "absent.yaml")


def test_a_chart_holds_no_key_and_its_values_have_a_schema(newtown: OwnHost, tmp_path: Path) -> None:
    files = rendered(newtown, "helm", tmp_path)
    chart = {name: content for name, content in files.items() if name.startswith("chart/")}
    assert not any(keys_in(content) for content in chart.values())
    schema = json.loads(chart["chart/values.schema.json"])
    defaults = yaml.safe_load(chart["chart/values.yaml"])
    jsonschema.validate(defaults, schema)
    assert Values.model_validate(defaults) == settle_values(containers_of(newtown), None)
    assert GivenValues.model_validate({}).storage == Values.model_validate(defaults).storage
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**defaults, "storge": {}}, schema)
    template = chart["chart/templates/newtown.yaml"].decode()
    assert "namespace: {{ .Release.Namespace }}" in template
    assert "namespace: newtown" not in template


def test_braces_that_are_no_expressions_are_kept_from_helm() -> None:
    assert as_helm("a: {{b}} \x02.Values.c | toJson\x03") == ('a: {{ "{{" }}b}} {{ .Values.c | toJson }}')


def test_helm_makes_valid_manifests_of_the_chart(newtown: OwnHost, by_name: OwnHost, tmp_path: Path) -> None:
    helm = shutil.which("helm")
    if helm is None:
        pytest.skip("helm is not on PATH")

    def template(host: OwnHost, *more: str) -> subprocess.CompletedProcess[str]:
        rendered(host, "helm", tmp_path)
        chart = str(tmp_path / "helm" / "chart")
        assert subprocess.run([helm, "lint", chart], capture_output=True, timeout=60).returncode == 0
        command = [helm, "template", "newtown", chart, "--namespace", "elsewhere", *more]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    def documents(made: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
        assert made.returncode == 0, made.stderr
        return [each for each in yaml.safe_load_all(made.stdout) if each]

    values = tmp_path / "values.yaml"
    values.write_text(VALUES)
    for more in ([], ["--values", str(values)]):
        found = documents(template(newtown, *more))
        for document in found:
            kubernetes_validate.validate(document, KUBERNETES, strict=True)
            assert document["metadata"]["namespace"] == "elsewhere"
    _check_values(found)
    values.write_text(OPENED)
    _check_opened(documents(template(by_name, "--values", str(values))), "elsewhere")
    shared = template(newtown, "--set", "outside.type=Ingress")
    assert "orderer0.newtown and peer0.newtown share the name newtown.example" in shared.stderr
    assert template(newtown, "--set", "storage.sise=1Gi").returncode != 0


def test_a_namespace_is_the_organisations_name_or_another(newtown: OwnHost, tmp_path: Path) -> None:
    folder = newtown.layout.directory
    for namespace in (None, "team-7"):
        render_host(folder, "kubernetes", tmp_path / "out", namespace=namespace)
        documents = list(yaml.safe_load_all((tmp_path / "out" / "newtown.yaml").read_bytes()))
        assert documents[0]["metadata"]["name"] == (namespace or "newtown")
        assert {each["metadata"]["namespace"] for each in documents[1:]} == {namespace or "newtown"}
    with pytest.raises(UsageError, match="no name of a namespace"):
        render_host(folder, "kubernetes", tmp_path / "out", namespace="Team_7")
    with pytest.raises(UsageError, match="give it to Helm"):
        render_host(folder, "helm", tmp_path / "out", namespace="team-7")


def test_rendering_again_goes_on_and_foreign_folders_are_left_alone(newtown: OwnHost, tmp_path: Path) -> None:
    first = rendered(newtown, "compose", tmp_path)
    assert (tmp_path / "compose" / "ledgers" / "peer0.newtown").is_dir()
    assert rendered(newtown, "compose", tmp_path) == first
    (tmp_path / "compose" / "photo.jpg").touch()
    with pytest.raises(UsageError, match=r"photo\.jpg"):
        rendered(newtown, "compose", tmp_path)
    with pytest.raises(UsageError, match="compose, kubernetes, helm are rendered"):
        render_host(newtown.layout.directory, "nomad", tmp_path / "nomad")


async def test_an_organisation_in_containers_is_not_started_here(tmp_path: Path) -> None:
    host = init_host(describe("newtown"), tmp_path / "newtown")
    render_host(host.layout.directory, "compose", tmp_path / "out")
    kept = open_host(host.layout.directory)
    assert kept.description.backend == "compose"
    with pytest.raises(UsageError, match="run under compose"):
        await start_host(kept)
    # `org init` again with a file that says nothing of it leaves it there; one that says native brings it back.
    init_host(describe("newtown"), tmp_path / "newtown")
    assert open_host(host.layout.directory).in_containers
    native = describe("newtown").model_copy(update={"backend": "native"})
    assert not init_host(native, tmp_path / "newtown").in_containers
