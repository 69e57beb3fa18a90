# SPDX-License-Identifier: Apache-2.0
"""What the client offers: the same names in both halves, each documented, the Gateway API complete."""

import importlib.metadata
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args, get_type_hints

import commonwatt_client
import commonwatt_client.sync.admin.configuration
import commonwatt_client.sync.fabric_ca
import pytest
from commonwatt_client import admin, fabric_ca, ledger, sync

# Every method of Fabric's Gateway API (Node, 1.11) under its name in snake_case.
METHODS = {
    "Gateway": "identity get_network new_proposal new_signed_proposal new_transaction new_signed_transaction "
    "new_commit new_signed_commit new_chaincode_events_request new_signed_chaincode_events_request "
    "new_block_events_request new_signed_block_events_request new_filtered_block_events_request "
    "new_signed_filtered_block_events_request new_block_and_private_data_events_request "
    "new_signed_block_and_private_data_events_request close",
    "Network": "name get_contract chaincode_events new_chaincode_events_request block_events "
    "new_block_events_request filtered_block_events new_filtered_block_events_request "
    "block_and_private_data_events new_block_and_private_data_events_request",
    "Contract": "chaincode_name contract_name evaluate_transaction submit_transaction evaluate submit submit_async "
    "new_proposal",
    "Proposal": "to_bytes digest transaction_id evaluate endorse",
    "Transaction": "to_bytes digest transaction_id result submit",
    "Commit": "to_bytes digest transaction_id status",
    "SubmittedTransaction": "to_bytes digest transaction_id status result",
}


HALVES = [
    (commonwatt_client, sync),
    (admin, sync.admin),
    (admin.configuration, sync.admin.configuration),
    (fabric_ca, sync.fabric_ca),
]
PAGES = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize(("asynchronous", "blocking"), HALVES, ids=lambda package: package.__name__)
def test_the_sync_client_offers_every_public_name(asynchronous: Any, blocking: Any) -> None:
    assert sorted(blocking.__all__) == sorted(asynchronous.__all__)
    for name in asynchronous.__all__:
        mirrored = getattr(blocking, name)
        assert not is_asynchronous(mirrored), name


def is_asynchronous(thing: Any) -> bool:
    """Whether a function, or any method of a class, is a coroutine."""
    members = [thing, *getattr(thing, "__dict__", {}).values()]
    return any(inspect.iscoroutinefunction(each) for each in members)


@pytest.mark.parametrize(
    ("page", "package"), [("client.md", commonwatt_client), ("administration.md", admin)]
)
def test_pages_import_public_names(page: str, package: Any) -> None:
    """What pages tell people to import is there, and public."""
    text = (PAGES / page).read_text(encoding="utf-8")
    imported = re.findall(r"^ *from ([\w.]+) import (.+)$", text, re.MULTILINE)
    ours = [(module, name) for module, names in imported for name in names.split(", ")]
    ours = [(module, name) for module, name in ours if module.startswith("commonwatt_client")]
    assert ours
    assert [
        (module, name)
        for module, name in ours
        if name not in getattr(importlib.import_module(module), "__all__", [name])
    ] == []
    assert [name for module, name in ours if not hasattr(importlib.import_module(module), name)] == []


def test_one_model_of_the_ledger() -> None:
    assert commonwatt_client.Block is admin.Block is ledger.Block
    assert commonwatt_client.BlockTransaction is admin.Transaction is ledger.BlockTransaction


def test_administration_takes_what_the_gateway_takes() -> None:
    connecting = get_type_hints(commonwatt_client.connect)
    assert commonwatt_client.Peer in get_args(connecting["peers"])
    for administration in (admin.PeerAdmin, admin.OrderingClient):
        asked = get_type_hints(administration.__init__)
        assert commonwatt_client.Peer in asked.values()
        assert asked["identity"] is connecting["identity"]
        assert asked["signer"] in get_args(connecting["signer"])
        assert asked["timeouts"] == connecting["timeouts"]


def test_the_version_is_the_distributions() -> None:
    assert commonwatt_client.__version__ == importlib.metadata.version("commonwatt-client")


@pytest.mark.parametrize("package", [commonwatt_client, sync])
@pytest.mark.parametrize("name", METHODS)
def test_gateway_api_is_complete(package: object, name: str) -> None:
    missing = [method for method in METHODS[name].split() if not hasattr(getattr(package, name), method)]
    assert not missing


@pytest.mark.parametrize("package", [commonwatt_client, sync])
@pytest.mark.parametrize("name", METHODS)
def test_every_call_takes_a_timeout(package: object, name: str) -> None:
    """Of every method that waits for a peer."""
    waits = {"evaluate", "submit", "endorse", "status", "events"}
    for method in METHODS[name].split():
        if method.startswith("new_") or not waits & set(method.split("_")):
            continue
        parameters = inspect.signature(getattr(getattr(package, name), method)).parameters
        assert any(parameter.endswith("timeout_s") for parameter in parameters), method


@pytest.mark.parametrize("package", [package for halves in HALVES for package in halves])
def test_every_public_name_is_documented(package: object) -> None:
    undocumented = [
        f"{name}.{member}"
        for name in package.__all__  # type: ignore[attr-defined]
        for member, value in [
            ("", getattr(package, name)),
            *getattr(getattr(package, name), "__dict__", {}).items(),
        ]
        if (
            not member.startswith("_")
            and (callable(value) or isinstance(value, property))
            and not value.__doc__
        )
        and not isinstance(value, type(getattr(package, "ValidationCode", None)))
    ]
    assert undocumented == []


def test_import_needs_no_event_loop_and_no_pkcs11() -> None:
    code = "import sys, commonwatt_client, commonwatt_client.sync; sys.exit('pkcs11' in sys.modules)"
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], timeout=60).returncode == 0
