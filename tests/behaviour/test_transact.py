# SPDX-License-Identifier: Apache-2.0
"""`commonwatt submit` and `evaluate` on each backend: transient data, collections, endorsers, bytes, refusals."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import typer
from commonwatt_network.cli.main import build_app

from ..support.command_line import Ended, invoke
from .probe_network import Probe


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    return build_app()


@pytest.fixture
def run(app: typer.Typer, deployed: Any) -> Any:
    """Run a verb beside the network; words of one line, or a list."""
    directory = deployed.nodes.layout.directory

    async def answers() -> None:
        async with deployed.connect() as gateway:
            await Probe(gateway, gateway.get_network("trials").get_contract("probe")).answers()

    asyncio.run(answers())

    def invoked(verb: str, *words: str) -> Ended:
        return invoke(app, [verb, "--directory", str(directory), "trials", "probe", *words])

    return invoked


def test_a_value_is_written_and_read_by_another_user(run: Any, deployed: Any, key: str) -> None:
    done = run("submit", "put", key, "on the ledger", "-v", "--as", "newtown/operator")
    assert done.exit_code == 0, done.stderr
    assert done.stderr.startswith("VALID in block ")
    assert done.stderr.endswith(", as newtown/operator\n")
    asyncio.run(deployed.level())
    read = run("evaluate", "get", key, "--as", "grid/operator", "--json")
    assert json.loads(read.stdout) == {"result": "on the ledger", "caller": "grid/operator"}
    assert run("evaluate", "get", key).stdout == "on the ledger\n"


def test_a_submitted_result_as_json_tells_where_it_is(run: Any, key: str) -> None:
    done = json.loads(run("submit", "increment", key, "--json").stdout)
    assert (done["result"], done["status"], len(done["transaction_id"])) == (1, "VALID", 64)
    assert done["block_number"] > 0


def test_json_is_laid_out_and_bytes_are_left_as_they_are(run: Any, key: str) -> None:
    run("submit", "put_many", key, "2")
    rows = run("evaluate", "range", key, f"{key}~").stdout
    assert rows == json.dumps(json.loads(rows), indent=2, ensure_ascii=False) + "\n"
    assert len(rows.splitlines()) > 4


def test_private_data_comes_from_a_file_and_its_members_alone_endorse(
    run: Any, tmp_path: Path, key: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"a price of my own")
    written = run(
        "submit",
        "put_private",
        "newtown_only",
        key,
        "--transient",
        f"value=@{secret}",
        "--collection",
        "newtown_only",
    )
    assert written.exit_code == 0, written.stderr
    read = run("evaluate", "get_private", "newtown_only", key, "--as", "newtown/operator")
    assert read.stdout == "a price of my own\n"
    assert "a price of my own" not in written.stdout + written.stderr


def test_who_endorses_may_be_said_by_name_or_msp_id(run: Any, key: str) -> None:
    both = run("submit", "put", key, "v", "--endorsing-organizations", "newtown,GridMSP")
    assert both.exit_code == 0, both.stderr


def test_what_the_network_or_the_contract_refuses(run: Any, key: str) -> None:
    for words, code, said in (
        (("nothing_like_it",), 1, "unknown_transaction"),
        (
            ("get", key, "--collection", "nowhere"),
            2,
            "probe has no collection nowhere; it has shared, newtown_only",
        ),
        (("get", key, "--as", "operator"), 2, "--as newtown/operator or grid/operator"),
        (("put", "--as", "home001"), 1, "bad_argument"),
    ):
        refused = run("evaluate", *words)
        assert (refused.exit_code, said in refused.stderr) == (code, True), refused.stderr


def test_a_chaincode_that_no_peer_has_is_said_at_once(app: typer.Typer, deployed: Any) -> None:
    directory = str(deployed.nodes.layout.directory)
    refused = invoke(app, ["submit", "--directory", directory, "newtown", "no-such", "get"])
    assert refused.exit_code == 2
    assert refused.stderr == "channel newtown has no chaincode no-such; it has market\n"
