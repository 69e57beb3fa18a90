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
from commonwatt_network.consortium import rendering
from commonwatt_network.consortium.host import OwnHost, init_host, open_host, start_host
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
outside: {type: NodePort, annotations: {balancer.example/internal: "true"}}
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
    assert rendering._as_helm("a: {{b}} \x02.Values.c | toJson\x03") == (
        'a: {{ "{{" }}b}} {{ .Values.c | toJson }}'
    )


def test_helm_makes_valid_manifests_of_the_chart(newtown: OwnHost, tmp_path: Path) -> None:
    helm = shutil.which("helm")
    if helm is None:
        pytest.skip("helm is not on PATH")
    rendered(newtown, "helm", tmp_path)
    values = tmp_path / "values.yaml"
    values.write_text(VALUES)
    chart = str(tmp_path / "helm" / "chart")
    command = [helm, "template", "newtown", chart, "--namespace", "elsewhere"]
    for more in ([], ["--values", str(values)]):
        made = subprocess.run([*command, *more], capture_output=True, text=True, timeout=60)
        assert made.returncode == 0, made.stderr
        documents = [each for each in yaml.safe_load_all(made.stdout) if each]
        for document in documents:
            kubernetes_validate.validate(document, KUBERNETES, strict=True)
            assert document["metadata"]["namespace"] == "elsewhere"
    _check_values(documents)
    wrong = subprocess.run(
        [*command, "--set", "storage.sise=1Gi"], capture_output=True, text=True, timeout=60
    )
    assert wrong.returncode != 0
    assert subprocess.run([helm, "lint", chart], capture_output=True, timeout=60).returncode == 0


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
