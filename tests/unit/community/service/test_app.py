# SPDX-License-Identifier: Apache-2.0
"""Addresses behind proxies, problems, figures, events as lines, certificates and settings."""

from __future__ import annotations

import ipaddress
import ssl
import stat
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request
from commonwatt_client.errors import (
    ConfigurationError,
    EvaluateError,
    MalformedMessageError,
    UnreachableError,
)
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.network_file import NetworkFile
from commonwatt_community.market.refused import Refused
from commonwatt_community.service.app import address_of
from commonwatt_community.service.caller import TOKEN, Caller, Role
from commonwatt_community.service.heard import Heard, Place, audience_of, sse
from commonwatt_community.service.meters import Meters
from commonwatt_community.service.problems import Problem, problem_of, response
from commonwatt_community.service.settings import Settings, carrier_of, secret_in
from commonwatt_community.service.store import StoreFailed
from commonwatt_community.service.tls import own_certificate, server_context

PROXIES = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("192.0.2.7/32"))


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # a stranger's word counts for nothing
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1, 192.0.2.7", "198.51.100.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "unknown", "unknown"),
    ],
)
def test_a_proxys_word_counts_if_it_is_trusted(remote: str, forwarded: str, address: str) -> None:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = make_mocked_request("GET", "/", headers=headers).clone(remote=remote)
    assert address_of(request, PROXIES) == address


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Refused("gate_closed", "too late", "submit_messages"), 409, "gate_closed"),
        (Refused("unknown_home", "no such home", "get_home"), 404, "unknown_home"),
        (UnreachableError("no peer"), 503, "peer_unreachable"),
        (TimeoutError(), 503, "peer_unreachable"),
        (EvaluateError("chaincode response 500, the chaincode failed with ValueError"), 502, "bad_answer"),
        (MalformedMessageError("no JSON"), 502, "bad_answer"),
        (StoreFailed("disk full"), 507, "cannot_store"),
        (Problem("csrf", "forged"), 403, "csrf"),
    ],
)
def test_errors_become_problems(error: Exception, status: int, code: str) -> None:
    problem = problem_of(error)
    assert problem is not None
    answer = response(problem)
    assert (answer.status, problem.code) == (status, code)
    assert answer.content_type == "application/problem+json"


def test_a_fault_of_the_program_is_no_problem() -> None:
    assert problem_of(KeyError("x")) is None


def test_figures_name_no_home() -> None:
    meters = Meters()
    meters.answered("GET /api/v1/homes/{home}", 200)
    meters.carried("written", 0.3)
    meters.carried("gate_closed", 3.0)
    said = meters.text({"messages_waiting": 2})
    assert 'commonwatt_service_answers_total{route="GET /api/v1/homes/{home}",status="200"} 1' in said
    assert 'commonwatt_service_message_seconds_bucket{le="0.5"} 1' in said
    assert "commonwatt_service_message_seconds_count 2" in said
    assert "commonwatt_service_messages_waiting 2" in said


def caller(role: Role, home: str) -> Caller:
    return Caller(TOKEN, role, home, "", b"", 0)


def test_lines_have_ids_and_anaudience_of() -> None:
    transaction = "a" * 64
    heard = Heard(7, transaction, "cleared", {"period": 1}, None, {"h-1": {"bought_wh": 5}})
    mine, other = heard.lines(caller(Role.HOME, "h-1")), heard.lines(caller(Role.HOME, "h-2"))
    assert [line.split(b"\n")[0] for line in mine] == [f"id: 7:{transaction}:{n}".encode() for n in (0, 1)]
    assert len(other) == 1
    assert heard.lines(caller(Role.HOME, "h-1"), after=0) == mine[1:]
    assert heard.lines(caller(Role.HOME, "h-1"), after=1) == []
    secret = Heard(7, transaction, "lost", {}, "h-1")
    assert secret.lines(caller(Role.RESIDENT, "h-2")) == []
    assert len(secret.lines(caller(Role.OPERATOR, "NewtownMSP"))) == 1
    assert Place.of(f"7:{transaction}:1") == Place(7, transaction, 1)
    for wrong in ("", "7", f"7:{transaction}", f"x:{transaction}:0", f"7:{transaction}:0\n"):
        with pytest.raises(Problem):
            Place.of(wrong)
    assert sse("receipt", {"a": "x\ny"}) == b'event: receipt\ndata: {"a":"x\\ny"}\n\n'


@pytest.mark.parametrize(
    ("name", "data", "audience"),
    [
        ("cleared", {}, None),
        ("key_recovery", {"home": "h-1"}, "h-1"),
        ("lost", {"key": "m/bid/029400000/h-1/home/01"}, "h-1"),
        ("lost", {"key": "m/reading/029400000/0001/h-1/home/01"}, "h-1"),
        ("lost", {"key": "?"}, ""),
        ("something_new", {"home": "h-1"}, ""),
    ],
)
def test_an_event_is_for_everybody_only_if_it_is_known_to_be(
    name: str, data: dict[str, str], audience: str | None
) -> None:
    assert audience_of(name, data) == audience


def test_an_own_certificate_is_made_once_and_for_its_names(tmp_path: Path) -> None:
    certificate, key = own_certificate(tmp_path, ["localhost:8443", "127.0.0.1:8443"])
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    made = certificate.read_bytes()
    assert own_certificate(tmp_path, ["localhost:9"]) == (certificate, key)
    assert certificate.read_bytes() == made
    assert server_context(certificate, key).minimum_version is ssl.TLSVersion.TLSv1_2
    with pytest.raises(ConfigurationError, match="homes pin it"):
        own_certificate(tmp_path, ["energy.example:8443"])
    with pytest.raises(ConfigurationError, match="no certificate"):
        server_context(key, certificate)


NETWORK = {
    "channels": {"newtown": {"chaincodes": ["market"], "organizations": ["grid", "newtown"]}},
    "organizations": {
        "grid": {"users": {"operator": {"attributes": {"role": "grid"}}}},
        "newtown": {"users": {"mover": {"attributes": {"role": "carrier"}}}},
    },
}


def test_the_carrier_is_found_or_named() -> None:
    network = NetworkFile(Path("network.json"), "n", "embedded", (), NETWORK)
    assert carrier_of(network, None, None) == ("newtown", "newtown", "mover")
    assert carrier_of(network, "newtown", "operator@grid") == ("newtown", "grid", "operator")
    for channel, who in (("enmore", None), (None, "nobody@grid"), (None, "mover@nowhere")):
        with pytest.raises(UsageError):
            carrier_of(network, channel, who)
    bare = {**NETWORK, "organizations": {**NETWORK["organizations"], "newtown": {"users": {}}}}
    with pytest.raises(UsageError, match="role carrier"):
        carrier_of(NetworkFile(Path("network.json"), "n", "embedded", (), bare), None, None)


def test_settings_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    base = {
        "network": tmp_path,
        "channel": "newtown",
        "organization": "newtown",
        "user": "carrier",
        "folder": tmp_path,
    }
    Settings(**base).check()
    for wrong in (
        {"names": ("Energy Example",)},
        {"host": "0.0.0.0"},
        {"carrier": "a.b"},
        {"certificate": tmp_path},
        {"is_plain": True},
        {"is_plain": True, "certificate": tmp_path, "key": tmp_path, "proxies": PROXIES},
    ):
        with pytest.raises(UsageError):
            Settings(**{**base, **wrong}).check()


def test_a_secret_is_made_once_and_is_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "residents.key"
    with pytest.raises(UsageError, match="cannot be read"):
        secret_in(path, may_make=False)
    made = secret_in(path, may_make=True)
    assert secret_in(path, may_make=True) == made
    path.chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        secret_in(path, may_make=True)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(UsageError, match="5 bytes"):
        secret_in(path, may_make=True)
