# SPDX-License-Identifier: Apache-2.0
"""Every Python example of docs/client.md, the client's README and its public names runs on every backend."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import inspect
import re
import textwrap
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import commonwatt_client
import pytest
from commonwatt_client import admin, sync
from commonwatt_client.profile import network_file_peers, network_file_user
from commonwatt_client.sync import admin as sync_admin
from commonwatt_network.channels.deploy import orderer_admin, peer_admin
from commonwatt_network.channels.groups import member_group, msp_value
from commonwatt_network.trust.certificates import create_authority, issue_revocations, read_key_pair


def load_generator() -> ModuleType:
    """What writes the synchronous client, for it knows how an example reads there."""
    path = Path(__file__).parents[2] / "tools" / "write_sync.py"
    spec = importlib.util.spec_from_file_location("write_sync", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


without_await = load_generator().without_await


def examples(page: Path) -> list[tuple[int, str]]:
    """The line and text of each Python example of a page."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [(text[: match.start()].count("\n") + 2, match[1]) for match in found]


def compiled(page: Path, line: int, text: str) -> CodeType:
    """An example with `await` allowed at its top, as `python -m asyncio` does."""
    return compile("\n" * (line - 1) + text, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("half", ["async", "sync"])
async def test_examples_run(
    network: Any,
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    half: str,
) -> None:
    """Every example of the page, as it stands and without `await`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".commonwatt").symlink_to(network.path.parent)
    page = repository / "docs" / "client.md"
    names: dict[str, Any] = {}
    for line, text in examples(page):
        await network.level("newtown")
        if half == "sync":
            code = compile("\n" * (line - 1) + without_await(text), str(page), "exec")
            await asyncio.to_thread(exec, code, names)
            continue
        outcome = eval(compiled(page, line, text), names)
        if inspect.isawaitable(outcome):
            await outcome
    closing = names["gateway"].close()
    if inspect.isawaitable(closing):
        await closing
    printed = capsys.readouterr().out
    assert "house1 may draw 24000 W" in printed
    assert printed.count("VALID") >= 3
    assert "unknown_round" in printed


def test_readme_examples_are_python(repository: Path) -> None:
    page = repository / "client" / "README.md"
    assert [compiled(page, line, text) for line, text in examples(page)]


def docstring_examples(thing: object) -> list[str]:
    """What stands indented after a line `::` of a docstring."""
    text = (inspect.getdoc(thing) or "") + "\n"
    return [
        textwrap.dedent(found[1]) for found in re.finditer(r"^::\n\n((?:(?: {4}.*)?\n)+)", text, re.MULTILINE)
    ]


def names_of_examples(package: Any, path: Path) -> dict[str, Any]:
    """What examples take for granted: the package's names, a user and the peers of its organisation."""
    identity, signer = network_file_user(path, "newtown", "operator")
    names = {name: getattr(commonwatt_client, name) for name in commonwatt_client.__all__}
    names |= {name: getattr(package, name) for name in package.__all__}
    return names | {"identity": identity, "signer": signer, "peers": network_file_peers(path, "newtown")}


@pytest.mark.parametrize("package", [commonwatt_client, sync, admin, sync_admin])
def test_every_public_name_has_an_example(package: Any) -> None:
    things = {name: getattr(package, name) for name in package.__all__}
    explained = {
        name for name, thing in things.items() if inspect.isclass(thing) or inspect.isfunction(thing)
    }
    assert {name for name in explained if not docstring_examples(things[name])} == set()


async def test_examples_of_public_names_run(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(network.path.parent.parent)
    names = names_of_examples(commonwatt_client, network.path)
    async with network.connect() as gateway:
        given = {"gateway": gateway, "market": gateway.get_network("newtown").get_contract("market")}
        for name in commonwatt_client.__all__:
            for text in docstring_examples(getattr(commonwatt_client, name)):
                await network.level("newtown")
                code = compile(text, f"<{name}>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
                outcome = eval(code, names | given)
                if inspect.isawaitable(outcome):
                    await outcome


async def test_examples_of_the_sync_client_run(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(network.path.parent.parent)
    names = names_of_examples(sync, network.path)

    def script() -> None:
        with sync.connect_network_file(network.path, "newtown", "operator") as gateway:
            given = {"gateway": gateway, "market": gateway.get_network("newtown").get_contract("market")}
            for name in sync.__all__:
                for text in map(without_await, docstring_examples(getattr(sync, name))):
                    asyncio.run(network.level("newtown"))
                    exec(compile(text, f"<sync.{name}>", "exec"), names | given)
            for text in docstring_examples(sync):
                exec(compile(text, "<sync>", "exec"), {})

    await asyncio.to_thread(script)


def place_files(folder: Path, network: Any) -> None:
    """What examples of administration read: an organisation's group, an orderer's certificate, a revocation list."""
    layout = network.nodes.layout
    root = create_authority("ca.harbour", "harbour").certificate_pem
    group = member_group("HarbourMSP", msp_value("HarbourMSP", root, root), [], "members")
    (folder / "harbour.group").write_bytes(group.SerializeToString())
    orderer = network.nodes.orderers[0].directory
    (folder / "orderer1.crt").write_bytes((orderer / "tls" / "server.crt").read_bytes())
    community = layout.organization("newtown") / "ca"
    issuer = read_key_pair(community / "ca.crt", community / "ca.key")
    (folder / "newtown.crl").write_bytes(issue_revocations(issuer, (), [1]))


async def test_examples_of_administration_run(
    network: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".commonwatt").symlink_to(network.path.parent)
    place_files(tmp_path, network)
    orderer = network.nodes.orderers[0]
    folder = network.nodes.layout.user("newtown", "admin")
    names = names_of_examples(commonwatt_client, network.path)
    names |= {name: getattr(admin, name) for name in admin.__all__} | {
        "Path": Path,
        "identity": commonwatt_client.load_identity("NewtownMSP", folder / "certificate.pem"),
        "signer": commonwatt_client.private_key_signer(folder / "private_key.pem"),
        "peer_address": network.nodes.gateway_peer("newtown").address,
        "orderer_address": orderer.address,
        "orderer_admin_address": orderer.admin_address,
    }
    async with (
        network.connect() as gateway,
        peer_admin(network.nodes, network.nodes.gateway_peer("newtown")) as peer,
        orderer_admin(network.nodes, orderer) as administered,
    ):
        current = await peer.fetch_config("newtown")
        given = {
            "gateway": gateway,
            "market": gateway.get_network("newtown").get_contract("market"),
            "peer": peer,
            "orderer": administered,
            "update": admin.compute_update(current, admin.set_batch(current, timeout_s=9)),
        }
        for name in admin.__all__:
            for text in docstring_examples(getattr(admin, name)):
                await network.level("newtown")
                code = compile(text, f"<admin.{name}>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
                outcome = eval(code, names | given)
                if inspect.isawaitable(outcome):
                    await outcome

    def script() -> None:
        blocking = names | {name: getattr(sync_admin, name) for name in sync_admin.__all__}
        for kind in (sync_admin.PeerAdmin, sync_admin.OrdererAdmin, sync_admin.OrderingClient):
            for text in docstring_examples(kind):
                exec(compile(text, f"<sync.{kind.__name__}>", "exec"), dict(blocking))

    await asyncio.to_thread(script)
