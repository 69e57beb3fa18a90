# SPDX-License-Identifier: Apache-2.0
"""One tree of errors, told apart by class and code alone; and what the client's logger tells."""

from __future__ import annotations

import ast
import inspect
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from commonwatt_client import ClientError, CommitError, ErrorCode, Peer, RetryPolicy, ValidationCode, errors
from commonwatt_client._effects import CallFailed, Effect
from commonwatt_client._proposal import new_invocation
from commonwatt_client._retrying import evaluate, transact
from commonwatt_client._transactions import Party
from commonwatt_client.admin import sign_update
from commonwatt_client.admin.transport import gateway_failure, read_answer
from commonwatt_client.connecting import connect_network_file
from commonwatt_client.errors import (
    EndorseError,
    FabricCAError,
    MalformedMessageError,
    SigningError,
    UnexpectedAnswerError,
)
from commonwatt_client.explain import EXPLANATIONS
from commonwatt_client.extras import extra
from commonwatt_client.gateway import connect
from commonwatt_client.ledger import decode_block
from fabric_protos.gateway import gateway_pb2

from .conftest import Keyed, run_scripted
from .gateway.stand_in import endorsed

ROOT = Path(__file__).parents[3]
KINDS = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, ClientError)]
INVOCATION = new_invocation("c", "m", "f", ["a secret argument"])


def make(kind: type[ClientError]) -> ClientError:
    if kind is CommitError:
        code = ValidationCode.MVCC_READ_CONFLICT
        return CommitError("lost", code=code, block_number=3, transaction_id="ab", party="peer0")
    return FabricCAError("https://ca", "no", code=71) if kind is FabricCAError else kind("it failed")


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_the_same_attributes(kind: type[ClientError]) -> None:
    error = make(kind)
    for name in ("message", "code", "status", "party", "transaction_id", "advice"):
        assert hasattr(error, name)
    assert error.code.name
    assert str(error)


async def test_administration_fails_alike_where_a_signer_does(keyed: Keyed) -> None:
    class Broken:
        def sign(self, digest: bytes) -> bytes:
            raise OSError("the token was pulled out")

    with pytest.raises(SigningError, match="pulled out") as caught:
        await sign_update(b"", keyed.identity, Broken())
    assert isinstance(caught.value.__cause__, OSError)


def test_every_code_is_explained() -> None:
    assert {code.name for code in ErrorCode} | {code.name for code in ValidationCode} == set(EXPLANATIONS)


def test_a_failed_call_names_party_and_cause(party: Party) -> None:
    failed = CallFailed(grpc.StatusCode.PERMISSION_DENIED, "no")
    with pytest.raises(EndorseError) as caught:
        run_scripted(transact(party, INVOCATION, party.timeouts, None), lambda effect: failed)
    error = caught.value
    assert (error.code, error.party, error.status) == (
        ErrorCode.ACCESS_DENIED,
        "first at 127.0.0.1:1",
        grpc.StatusCode.PERMISSION_DENIED,
    )
    assert error.__cause__ is failed
    administrative = gateway_failure("approve", "127.0.0.1:1", error)
    assert (administrative.transaction_id, administrative.party) == (error.transaction_id, "127.0.0.1:1")
    lost = make(CommitError)
    assert isinstance(lost, CommitError)
    assert gateway_failure("approve", "127.0.0.1:1", lost).code is ValidationCode.MVCC_READ_CONFLICT


def test_an_answer_that_cannot_be_read_names_its_node() -> None:
    with pytest.raises(UnexpectedAnswerError, match="peer0:7051") as caught:
        read_answer("peer0:7051", decode_block, b"\xff")
    assert (caught.value.party, caught.value.code) == ("peer0:7051", ErrorCode.MALFORMED_MESSAGE)
    assert isinstance(caught.value, MalformedMessageError)


@pytest.mark.parametrize("part", ["client", "audit", "community", "loadgen"])
def test_no_cause_is_dropped_and_no_words_are_looked_for(part: str) -> None:
    """No `raise ... from None` but to end an iteration; no search in the text of an error."""
    found = []
    for path in (ROOT / part).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.cause, ast.Constant) and part == "client":
                ends = ast.unparse(node.exc or node) in ("StopIteration", "StopAsyncIteration")
                found += [] if ends else [f"{path}:{node.lineno}: {ast.unparse(node)}"]
            if isinstance(node, ast.Compare | ast.Call) and _looks_for_words(node):
                found.append(f"{path}:{node.lineno}: {ast.unparse(node)}")
    assert found == []


TEXTS = ("str(error)", "str(e)", "str(failure)", "error.message", "error.answer", "error.args[0]")


def _looks_for_words(node: ast.Compare | ast.Call) -> bool:
    if isinstance(node, ast.Compare):
        searched = [
            each
            for each, how in zip(node.comparators, node.ops, strict=True)
            if isinstance(how, ast.In | ast.NotIn)
        ]
        return any(ast.unparse(each) in TEXTS for each in searched)
    called = ast.unparse(node.func)
    searches = called.endswith((".startswith", ".endswith", ".find", ".count"))
    return (searches and called.rpartition(".")[0] in TEXTS) or (
        called in ("re.search", "re.match", "re.fullmatch")
        and len(node.args) > 1
        and ast.unparse(node.args[1]) in TEXTS
    )


QUICK = RetryPolicy(max_tries=3, first_pause_s=0.001, longest_pause_s=0.001, commit_wait_s=0.05)


def committing(*results: Any) -> Callable[[Effect], Any]:
    """Endorses and takes all, and answers each question for a commit with the next of the results."""
    left = list(results)

    def answer(effect: Effect) -> Any:
        method = getattr(effect, "method", "").rpartition("/")[2]
        if method == "Endorse":
            return endorsed()
        return left.pop(0) if method == "CommitStatus" else b""

    return answer


def status(code: ValidationCode) -> bytes:
    message: bytes = gateway_pb2.CommitStatusResponse(result=code, block_number=7).SerializeToString()
    return message


def test_the_log_tells_failover(party: Party, caplog: pytest.LogCaptureFixture) -> None:
    answers = iter([CallFailed(grpc.StatusCode.UNAVAILABLE, "connection refused"), b""])
    with caplog.at_level(logging.INFO, logger="commonwatt_client"):
        run_scripted(evaluate(party, INVOCATION, None, None), lambda effect: next(answers))
    assert [record.getMessage() for record in caplog.records] == [
        "left first at 127.0.0.1:1 (UNAVAILABLE) for second at 127.0.0.1:2"
    ]


def test_the_log_tells_retries_and_resubmissions_without_contents(
    party: Party, caplog: pytest.LogCaptureFixture
) -> None:
    late = CallFailed(grpc.StatusCode.DEADLINE_EXCEEDED, "a secret of the peer")
    lost = status(ValidationCode.MVCC_READ_CONFLICT)
    with caplog.at_level(logging.INFO, logger="commonwatt_client"):
        run_scripted(
            transact(party, INVOCATION, party.timeouts, QUICK),
            committing(late, lost, status(ValidationCode.VALID)),
        )
    told = [record.getMessage() for record in caplog.records]
    assert any("no commit yet; submitting the same envelope again (2)" in line for line in told)
    assert any("MVCC_READ_CONFLICT in block 7, endorsing it anew (1); again in" in line for line in told)
    assert "secret" not in caplog.text


def test_nothing_is_printed_by_a_program_that_asks_for_no_log() -> None:
    code = "import logging, commonwatt_client; logging.getLogger('commonwatt_client').warning('x')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_gateways_retry_holds_for_calls_that_say_nothing(keyed: Keyed) -> None:
    peer = Peer("127.0.0.1:1", plaintext=True)
    gateway = connect(peer, identity=keyed.identity, signer=keyed.signer, retry=QUICK)
    for each in (gateway, gateway.with_identity(keyed.identity, keyed.signer)):
        contract = each.get_network("c").get_contract("m")
        assert contract._policy(None) is QUICK
        assert contract._policy(False) is None
        assert contract._policy(True) == RetryPolicy()
    for connecting in (connect, connect_network_file):
        assert inspect.signature(connecting).parameters["retry"].default is False


@pytest.mark.parametrize(
    ("module", "call", "installed_with"),
    [
        ("aiohttp", "fabric_ca.FabricCA('https://ca')", "commonwatt-client[admin]"),
        ("aiohttp", "sync.fabric_ca.FabricCA('https://ca')", "commonwatt-client[admin]"),
        ("yaml", "profile.profile_peers(sys.argv[1])", "commonwatt-client[profile]"),
    ],
)
def test_a_missing_extra_is_named(tmp_path: Path, module: str, call: str, installed_with: str) -> None:
    profile = tmp_path / "profile.yaml"
    profile.write_text("client: {organization: newtown}\n")
    code = f"""
import sys
sys.modules[{module!r}] = None
from commonwatt_client import ConfigurationError, fabric_ca, profile, sync
import commonwatt_client.admin, commonwatt_client.sync.admin, commonwatt_client.sync.fabric_ca
try:
    {call}
except ConfigurationError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, profile], capture_output=True, text=True, timeout=60, check=True
    )
    assert f"pip install '{installed_with}'" in done.stdout


def test_an_extra_that_is_there_is_loaded() -> None:
    assert extra("json", "admin", "a test").dumps(1) == "1"
