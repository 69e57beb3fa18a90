# SPDX-License-Identifier: Apache-2.0
"""A contract of the user's own by topology: deployed, changed and upgraded by commands, on every backend present."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commonwatt_chaincode.shim.testing.certificates import tls_files
from commonwatt_client import ClientError, EndorseError, connect_network_file
from commonwatt_client.admin import ChaincodeDefinition, ChaincodePackage, read_package
from commonwatt_network.backends.registry import nodes_of
from commonwatt_network.channels.deploy import deploy, peer_admin
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.state import read_state
from commonwatt_network.programs.chaincode_servers import chaincode_package
from commonwatt_network.programs.ports import choose_first_port

from ..support.fabric import require_backend

CONTRACT = """
import os, sys
from commonwatt_chaincode.shim import Contract, Stub, evaluate, run_from_environment, transaction
from words import GREETING

class Assets(Contract):
    @transaction
    async def start(self, stub: Stub, value: str) -> None:
        await stub.put_state("started", value.encode())

    @transaction
    async def hide(self, stub: Stub) -> None:
        await stub.put_private_data("secrets", "k", stub.transient["value"])

    @evaluate
    async def seek(self, stub: Stub) -> bytes:
        return await stub.get_private_data("secrets", "k") or b""

    @evaluate
    async def greet(self, stub: Stub) -> str:
        return f"{GREETING} {os.environ['WHOM']} of {stub.mspid}"

if __name__ == "__main__":
    sys.exit(run_from_environment(Assets()))
"""
TOPOLOGY = """
organizations:
  newtown: {}
  grid: {}
orderers:
  organizations:
    orderers: {mspid: OrdererMSP}
channels:
  trials:
    organizations: [newtown, grid]
    chaincodes: [assets]
chaincodes:
  assets:
    version: "VERSION"
    module: assets
    environment: {WHOM: all}
    init_required: true
    endorsement_policy: OR('NewtownMSP.peer', 'GridMSP.peer')
    collections:
      - {name: secrets, policy: OR('NewtownMSP.member'), memberOnlyRead: true, requiredPeerCount: 0}
"""


@pytest.fixture(params=["embedded", "native"])
def backend(request: pytest.FixtureRequest) -> str:
    require_backend(request.param)
    return str(request.param)


def written(shell: Any, version: str = "1.0", greeting: str = "hello", *changes: tuple[str, str]) -> Path:
    """The topology beside its contract, with texts replaced."""
    text = TOPOLOGY.replace("VERSION", version)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (shell.folder / "assets.py").write_text(CONTRACT)
    (shell.folder / "words.py").write_text(f"GREETING = {greeting!r}\n")
    path: Path = shell.folder / "topology.yaml"
    path.write_text(text)
    return path


def call(shell: Any, action: str, function: str, organization: str = "newtown", **options: Any) -> bytes:
    """Submit or evaluate as the organisation's administrator."""

    async def called() -> bytes:
        async with connect_network_file(shell.directory / "network.json", organization, "admin") as gateway:
            contract = gateway.get_network("trials").get_contract("assets")
            if action == "evaluate":
                return await contract.evaluate(function, retry=True, **options)
            return (await contract.submit(function, retry=True, **options)).result

    return asyncio.run(called())


def definition(shell: Any) -> ChaincodeDefinition:
    """What the channel has in force."""

    async def asked() -> ChaincodeDefinition:
        layout = Layout(shell.directory)
        state = read_state(layout)
        assert state is not None
        nodes = nodes_of(layout, state)
        async with peer_admin(nodes, nodes.peers[0]) as admin:
            return (await admin.query_committed_chaincode_definition("trials", "assets")).definition

    return asyncio.run(asked())


def done(result: Any) -> str:
    assert result.returncode == 0, result.stdout + result.stderr
    return str(result.stdout)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_contract_of_ones_own_is_deployed_changed_and_upgraded(
    shell: Any, backend: str, refused: Callable[[Any], str]
) -> None:
    topology = str(written(shell))
    done(shell.run("network", "up", "--topology", topology, COMMONWATT_BACKEND=backend))
    assert definition(shell).endorsement_policy == "OR('NewtownMSP.peer', 'GridMSP.peer')"
    with pytest.raises(
        EndorseError, match="has not been initialized for this version, must call as init first"
    ):
        call(shell, "submit", "hide", transient={"value": b"secret"}, endorsing_organizations=["NewtownMSP"])
    call(shell, "submit", "start", arguments=["now"], is_init=True)
    call(shell, "submit", "hide", transient={"value": b"secret"}, endorsing_organizations=["NewtownMSP"])
    assert call(shell, "evaluate", "greet", "grid") == b"hello all of GridMSP"

    # Again, after a stop: all as it was, the private data too.
    done(shell.run("network", "down"))
    done(shell.run("network", "up"))
    assert call(shell, "evaluate", "seek") == b"secret"
    assert definition(shell).sequence == 1

    # Policy, a collection, an environment: one step, the next sequence, no new version.
    topology = str(
        written(
            shell, "1.0", "hello",
            ("OR('NewtownMSP.peer', 'GridMSP.peer')", "AND('NewtownMSP.peer', 'GridMSP.peer')"),
            ("requiredPeerCount: 0}", "requiredPeerCount: 0}\n      - {name: more, policy: OR('GridMSP.member')}"),
            ("WHOM: all", "WHOM: everyone"),
        )
    )  # fmt: skip
    plan = done(shell.run("plan", topology))
    assert "restart the servers of chaincode assets: with another WHOM in their environment" in plan
    assert "endorsement policy AND('NewtownMSP.peer', 'GridMSP.peer'); collection more comes" in plan
    done(shell.run("apply", topology))
    assert call(shell, "evaluate", "greet") == b"hello everyone of NewtownMSP"
    now = definition(shell)
    assert (now.sequence, now.version, [each.name for each in now.collections]) == (
        2,
        "1.0",
        ["secrets", "more"],
    )
    assert call(shell, "evaluate", "seek") == b"secret"

    # Code under the same version is refused by up, plan and apply alike, and goes with another version.
    (shell.folder / "words.py").write_text("GREETING = 'goodbye'\n")
    for arguments in (("network", "up"), ("plan", topology), ("apply", topology)):
        said = refused(shell.run(*arguments))
        assert "chaincode assets: its code changed since version 1.0 was deployed (words.py)" in said
    for change, why in (
        (("      - {name: secrets, policy: OR('NewtownMSP.member'), memberOnlyRead: true, requiredPeerCount: 0}\n", ""),
         "cannot be taken away"),
        (("memberOnlyRead: true", "blockToLive: 3"), "keeps its data for 0 blocks"),
    ):  # fmt: skip
        path = str(written(shell, "1.1", "goodbye", ("WHOM: all", "WHOM: everyone"), change))
        if why == "cannot be taken away":
            Path(path).write_text(
                Path(path).read_text() + "      - {name: more, policy: OR('GridMSP.member')}\n"
            )
        result = shell.run("plan", path)
        assert result.returncode == 2
        assert why in result.stderr
    described = (
        "requiredPeerCount: 0}",
        "requiredPeerCount: 0}\n      - {name: more, policy: OR('GridMSP.member')}",
    )
    topology = str(written(shell, "1.1", "goodbye", described))
    done(shell.run("apply", topology))
    call(shell, "submit", "start", arguments=["again"], is_init=True)
    assert call(shell, "evaluate", "greet") == b"goodbye all of NewtownMSP"
    assert call(shell, "evaluate", "seek") == b"secret"
    assert "upgrade" not in done(shell.run("plan", topology))


@pytest.mark.long
def test_what_the_topology_does_not_describe_stays_as_the_channel_has_it(shell: Any) -> None:
    """An administrator gives the chaincode another policy; `network up` keeps it, whatever it says of the rest."""
    path = written(
        shell, "1.0", "hello", ("    endorsement_policy: OR('NewtownMSP.peer', 'GridMSP.peer')\n", "")
    )
    done(shell.run("network", "up", "--topology", str(path)))
    layout = Layout(shell.directory)
    state = read_state(layout)
    assert state is not None
    nodes = nodes_of(layout, state)
    packages = {name: chaincode_package(nodes, "assets", name) for name in ("newtown", "grid")}
    wanted = definition(shell).next(endorsement_policy="AND('GridMSP.peer')", init_required=True)
    asyncio.run(deploy(nodes, "trials", wanted, packages))
    done(shell.run("network", "up"))
    assert (definition(shell).sequence, definition(shell).endorsement_policy) == (2, "AND('GridMSP.peer')")

    # Collections that only the ledger has cannot be taken away by a topology that describes others.
    more = (*wanted.collections, wanted.collections[0].__class__("others", "OR('GridMSP.member')"))
    asyncio.run(deploy(nodes, "trials", wanted.next(collections=more), packages))
    result = shell.run("network", "up")
    assert result.returncode == 1
    assert "the collection others is in force and cannot be taken away" in result.stderr
    assert definition(shell).sequence == 3


@pytest.mark.long
def test_templates_of_a_package_are_filled_in_where_it_is_installed(shell: Any, backend: str) -> None:
    """Packages of others name their server by templates, and their type in any case: real peers build them too."""
    path = written(shell, "1.0", "hello", ("    init_required: true\n", ""))
    values = {"host": "127.0.0.1"}
    done(
        shell.run(
            "network", "up", "--topology", str(path), COMMONWATT_BACKEND=backend,
            CHAINCODE_AS_A_SERVICE_BUILDER_CONFIG=json.dumps(values),
        )
    )  # fmt: skip
    layout = Layout(shell.directory)
    state = read_state(layout)
    assert state is not None
    nodes = nodes_of(layout, state)
    packages = {
        name: templated(chaincode_package(nodes, "assets", name).content) for name in ("newtown", "grid")
    }
    asyncio.run(deploy(nodes, "trials", definition(shell), packages))
    # The servers that run register under the former package's id; those of the templated one name the peer's refusal.
    with pytest.raises(ClientError) as refused:
        call(shell, "evaluate", "greet")
    assert packages["newtown"].package_id in str(refused.value)
    assert "127.0.0.1:1" in str(refused.value)
    assert "{{" not in str(refused.value)


@pytest.mark.long
def test_a_server_that_runs_elsewhere_is_dialled_by_its_own_authority(shell: Any, backend: str) -> None:
    """Somebody else starts it, by the package id that the refusal names; another authority's is not trusted."""
    tls = tls_files(shell.folder)
    port = choose_first_port(1, shell.folder / "elsewhere")
    changes = [("module: assets", f"address: 127.0.0.1:{port}\n    tls_authority: ca.pem")]
    changes += [("    environment: {WHOM: all}\n", ""), ("    init_required: true\n", "")]
    path = str(written(shell, "1.0", "hello", *changes))
    result = shell.run("network", "up", "--topology", path, COMMONWATT_BACKEND=backend)
    assert result.returncode == 1
    assert f"at 127.0.0.1:{port} cannot be reached" in result.stderr
    assert not shell.processes()
    [package_id] = set(re.findall(r"CHAINCODE_ID=(\S+),", result.stderr))
    variables = {
        "CHAINCODE_SERVER_ADDRESS": f"127.0.0.1:{port}", "CHAINCODE_ID": package_id, "WHOM": "all",
        "CHAINCODE_TLS_CERT": str(tls.server_cert), "CHAINCODE_TLS_KEY": str(tls.server_key),
        "CORE_PEER_LOCALMSPID": "SomebodyMSP",
    }  # fmt: skip
    command = [sys.executable, "assets.py"]
    server = subprocess.Popen(command, cwd=shell.folder, env={**os.environ, **variables})
    try:
        deadline = time.monotonic() + 30
        while (result := shell.run("network", "up")).returncode and time.monotonic() < deadline:
            assert "cannot be reached" in result.stderr  # it starts yet
        done(result)
        for organization in ("newtown", "grid"):
            assert call(shell, "evaluate", "greet", organization) == b"hello all of SomebodyMSP"
        tls_files(shell.folder)  # the authority's file is another's now
        result = shell.run("network", "up")
        assert "registers as" in result.stderr or "was not issued by the authority given" in result.stderr
    finally:
        server.terminate()
        server.wait()


def templated(content: bytes) -> ChaincodePackage:
    """The package with a template for its host, port 1, and its type in capitals."""
    package, connection = read_package(content)
    files = {
        "connection.json": json.dumps({**connection, "address": "{{.host}}:1", "dial_timeout": "1s"}).encode()
    }
    metadata = json.dumps({"type": "CCAAS", "label": package.label}).encode()
    return ChaincodePackage(package.label, tar_of({"metadata.json": metadata, "code.tar.gz": tar_of(files)}))


def tar_of(files: dict[str, bytes]) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return output.getvalue()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("command: no-such-program", "chaincode assets: its command no-such-program is no program on PATH"),
        ("module: nothing_here", "there is no Python module nothing_here in "),
        ("folder: nowhere\n    module: assets", "there is no folder "),
    ],
)
def test_a_program_that_is_not_there_is_refused_before_anything_is_made(
    lines: str, said: str, shell: Any, refused: Callable[[Any], str]
) -> None:
    path = written(shell, "1.0", "hello", ("module: assets", lines))
    assert said in refused(shell.run("network", "up", "--topology", str(path)))
    assert not shell.directory.exists() or not (shell.directory / "state.json").exists()


def test_a_contract_that_cannot_start_is_heard_within_two_seconds(shell: Any, backend: str) -> None:
    path = written(shell)
    (shell.folder / "words.py").write_text("GREETING = no_such_name\n")
    began = time.monotonic()
    result = shell.run("network", "up", "--topology", str(path), COMMONWATT_BACKEND=backend)
    took_s = time.monotonic() - began
    assert result.returncode == 1
    assert "Traceback" not in result.stderr.split("its last lines")[0]
    assert "NameError: name 'no_such_name' is not defined" in result.stderr
    assert "then repeat the command" in result.stderr
    assert not shell.processes()
    log = next((shell.directory / "logs").glob("assets.*.log"))
    print(
        f"{backend}: {took_s:.1f} s, of which {time.time() - log.stat().st_mtime:.1f} s after its last words"
    )
    # Mended, the same command brings it up: nothing was half deployed.
    (shell.folder / "words.py").write_text("GREETING = 'hello'\n")
    done(shell.run("network", "up"))
    assert json.loads((shell.directory / "network.json").read_text())["channels"]["trials"]["chaincodes"] == {
        "assets": {"version": "1.0", "sequence": 1}
    }


@pytest.mark.long
def test_apply_says_as_much_of_a_new_version_that_cannot_start(shell: Any) -> None:
    done(shell.run("network", "up", "--topology", str(written(shell))))
    call(shell, "submit", "start", arguments=["now"], is_init=True)
    path = str(written(shell, "2.0"))
    (shell.folder / "words.py").write_text("GREETING = no_such_name\n")
    result = shell.run("apply", path)
    assert result.returncode == 1
    assert "NameError: name 'no_such_name' is not defined" in result.stderr
    assert call(shell, "evaluate", "greet") == b"hello all of NewtownMSP", "the former version serves"
    assert definition(shell).version == "1.0"
    (shell.folder / "words.py").write_text("GREETING = 'goodbye'\n")
    done(shell.run("apply", path))
    call(shell, "submit", "start", arguments=["now"], is_init=True)
    assert call(shell, "evaluate", "greet") == b"goodbye all of NewtownMSP"
