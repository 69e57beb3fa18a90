# SPDX-License-Identifier: Apache-2.0
"""Who may do what at the community's service: every route, receipt and line of events, held to its owner."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import json
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pyotp
import pytest
from commonwatt_community.api import Enrolment, ServiceAway
from commonwatt_community.market.refused import Refused
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.compose import new_nonce, signed_message
from commonwatt_community.messages.signing_key import make_key
from commonwatt_community.service import sessions
from commonwatt_community.service.caller import COOKIE, OF_A_HOME, TOKEN, Caller, Role
from commonwatt_community.service.rates import Rate, Rates
from commonwatt_community.service.route import API, Route
from commonwatt_community.service.running import Running, serving
from commonwatt_community.service.table import ROUTES

from .forward_network import CHANNEL, GRID, OPERATOR
from .served import Town, plain_client, town

HALF = Rates(*[Rate(100_000, 100_000)] * 5)
PASSPHRASE = "a kettle boils at noon"


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town("embedded", tmp_path_factory.mktemp("service-access")) as begun:
        yield begun


async def session(running: Running, role: Role, home: str, name: str = "") -> dict[str, str]:
    """Headers of a session of a role."""
    way = COOKIE if role is Role.RESIDENT or name else TOKEN
    begun = await sessions.begin(running.parts.store, way, role, home, name)
    if way == TOKEN:
        return {"Authorization": f"Bearer {begun.secret}"}
    return {"Cookie": f"cw_session={begun.secret}", "X-CW-CSRF": sessions.csrf_of(begun.caller)}


VALUES = {
    "period": "29400000",
    "from_period": "29400000",
    "to_period": "29400060",
    "kind": "bid",
    "seq": "1",
    "digest": "0" * 64,
    "author": "home",
    "day": "20420",
    "month": "2025-11",
}
BODIES: dict[str, Any] = {
    "post_messages": {"messages": ["x"]},
    "post_pause": {"paused": True},
    "put_limits": {},
    "post_enrolment_result": {"state": "refused"},
    "post_alarms": {"alarms": []},
    "put_totp": {"passphrase": PASSPHRASE},
}


def request(route: Route, foreign: str) -> tuple[str, dict[str, str], Any]:
    """Address, query and body of a call that names a foreign home wherever a home is named."""
    values = {**VALUES, "home": foreign, "owner": foreign, "subject": foreign}
    path = route.path
    query = {}
    for one in route.parameters:
        if one.where == "path":
            path = path.replace(f"{{{one.name}}}", values[one.name])
        elif one.where == "query" and (one.needed or one.name == "home"):
            query[one.name] = values[one.name]
    body = {"home": foreign} if route.name == "post_invitation" else BODIES.get(route.name)
    return API + path, query, body


async def test_no_route_shows_or_changes_a_foreign_home(street: Town) -> None:
    """Each route x a foreign home x each role, and without a session."""
    mine, foreign = street.network.homes[:2]
    calls = 0
    async with street.serving(rates=HALF) as running, plain_client(running) as http:
        for route in (one for one in ROUTES if one.may):

            async def answer(headers: dict[str, str], route: Route = route) -> httpx.Response:
                path, query, body = request(route, foreign)
                return await http.request(route.method, path, params=query, json=body, headers=headers)

            refused = await answer({})
            assert (refused.status_code, refused.json()["code"]) == (401, "login_required"), route.name
            stale = await answer({"Authorization": "Bearer " + "x" * 43})
            assert (stale.status_code, stale.json()["code"]) == (401, "login_required"), route.name
            for role in sorted(OF_A_HOME):
                calls += 1
                if route.name == "get_events":
                    continue  # test_a_stream_tells_each_home_its_own_lines_alone
                got = await answer(await session(running, role, mine))
                if role not in route.may:
                    assert (got.status_code, got.json()["code"]) == (403, "forbidden"), (route.name, role)
                elif {"home", "owner"} & {one.name for one in route.parameters}:
                    assert (got.status_code, got.json()["code"]) == (403, "not_yours"), (route.name, role)
                assert got.status_code < 500, (route.name, role, got.text)
                if got.status_code != 403:
                    assert foreign not in got.text, (route.name, role)
                assert got.headers["Cache-Control"] == "no-store"
    assert calls >= 90


async def test_a_forged_request_of_a_browser_changes_nothing(street: Town) -> None:
    home = street.network.homes[0]
    async with street.serving(rates=HALF) as running, plain_client(running) as http:
        headers = await session(running, Role.RESIDENT, home)
        cookie = {"Cookie": headers["Cookie"]}
        for wrong, code in (
            (cookie, "csrf"),
            ({**cookie, "X-CW-CSRF": "x" * 22}, "csrf"),
            ({**headers, "Origin": "https://elsewhere.example"}, "wrong_origin"),
            ({**headers, "Origin": "null"}, "wrong_origin"),
        ):
            got = await http.post(f"{API}/pause", json={"paused": True}, headers=wrong)
            assert (got.status_code, got.json()["code"]) == (403, code)
        plain = await http.post(f"{API}/pause", content=b'{"paused":true}', headers=headers)
        assert (plain.status_code, plain.json()["code"]) == (415, "not_json")
        before = (await http.get(f"{API}/homes/{home}/wishes", headers=headers)).json()["version"]
        good = {**headers, "Origin": running.url}
        assert (await http.post(f"{API}/pause", json={"paused": True}, headers=good)).json()["paused"]
        limits = {"buy_at_most_uaud_per_kwh": 250_000}
        got = await http.put(f"{API}/limits", json=limits, headers=headers)
        assert got.json()["version"] == before + 2
        async with street.client(running, home) as (client, _):
            wished = await client.wishes(home)
        assert (wished.paused, wished.limits.buy_at_most_uaud_per_kwh) == (True, 250_000)
        for name in ("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"):
            assert name not in got.headers
        assert "default-src 'none'" in got.headers["Content-Security-Policy"]
        assert (await http.get(f"{API}/me", headers={"Host": "evil.example"})).json()["code"] == "wrong_host"


async def test_residents_and_operators_come_in_once_by_an_invitation(street: Town) -> None:
    home = street.network.homes[0]
    async with street.serving(rates=HALF) as running, plain_client(running) as http:

        async def enter(**body: Any) -> tuple[int, dict[str, Any]]:
            got = await http.post(f"{API}/session", json=body)
            http.cookies.clear()
            return got.status_code, got.json()

        operator = await session(running, Role.OPERATOR, "NewtownMSP")
        got = await http.post(f"{API}/operator/invitations", json={"home": home}, headers=operator)
        invited = got.json()
        code = invited["invitation"]
        assert invited["url"] == f"{running.url}/join#{code}"
        missing = await http.post(f"{API}/operator/invitations", json={"home": "nobody"}, headers=operator)
        assert missing.json()["code"] == "unknown_home"
        weak = await enter(invitation=code, passphrase="short")
        assert (weak[0], weak[1]["code"]) == (400, "weak_passphrase")
        altered = code.replace(home, street.network.homes[1])
        assert (await enter(invitation=altered, passphrase=PASSPHRASE))[1]["code"] == "bad_invitation"
        both = await asyncio.gather(
            *(enter(invitation=code, passphrase=PASSPHRASE, name=name) for name in ("ada", "bob"))
        )
        assert sorted(status for status, _ in both) == [200, 401]
        name = next(said["name"] for status, said in both if status == 200)
        assert (await enter(invitation=code, passphrase=PASSPHRASE, name="eve"))[1][
            "code"
        ] == "invitation_used"
        assert (await enter(name=name, passphrase="another kettle")) == (
            await enter(name="nobody", passphrase="another kettle")
        )
        status, said = await enter(name=name, passphrase=PASSPHRASE)
        assert (status, said["role"], said["home"]) == (200, "resident", home)

        operators, _ = running.parts.invitations.new(Role.OPERATOR, "olga")
        assert (await enter(invitation=operators, passphrase=PASSPHRASE))[1]["code"] == "totp_required"
        secret = (await http.post(f"{API}/totp")).json()["totp_secret"]
        totp = pyotp.TOTP(secret)
        wrong = await enter(invitation=operators, passphrase=PASSPHRASE, totp_secret=secret, totp="000000")
        assert wrong[1]["code"] == "bad_code"
        good = {"invitation": operators, "passphrase": PASSPHRASE, "totp_secret": secret}
        status, said = await enter(**good, totp=totp.now())
        assert (status, said["role"], said["home"], said["has_totp"]) == (200, "operator", "", True)
        assert (await enter(name="olga", passphrase=PASSPHRASE))[1]["code"] == "totp_required"
        replayed = await enter(name="olga", passphrase=PASSPHRASE, totp=totp.now())
        assert replayed[1]["code"] == "bad_credentials"
        rows = running.parts.store.all("SELECT * FROM audit_log")
        kept = json.dumps([tuple(row) for row in rows])
        assert {"enter", "invite"} <= {row["action"] for row in rows}
        for hidden in (PASSPHRASE, code, secret):
            assert hidden not in kept
        accounts = json.dumps([tuple(row) for row in running.parts.store.all("SELECT * FROM accounts")])
        assert PASSPHRASE not in accounts
        assert "$argon2id$" in accounts


async def test_logins_that_are_wrong_each_get_one_clear_problem(street: Town) -> None:
    """Foreign, replayed, expired, oversized, relayed by another service, of a key that nobody has."""
    home = street.network.homes[0]
    async with street.serving(rates=HALF) as running, plain_client(running) as http:
        own = running.parts.names[0]

        async def challenge() -> str:
            return str((await http.get(f"{API}/challenge")).json()["challenge"])

        async def enter(message: bytes | str) -> tuple[int, str]:
            text = message.decode() if isinstance(message, bytes) else message
            got = await http.post(f"{API}/login", json={"message": text})
            assert got.headers["Content-Type"] in ("application/json", "application/problem+json")
            return got.status_code, got.json().get("code", got.json().get("token", ""))

        with street.author(home) as author:
            good = author.login(own, await challenge())
            status, token = await enter(good)
            assert status == 200
            assert await enter(good) == (401, "challenge_used")
            assert await enter(author.login("hostile.example:8443", await challenge())) == (
                401,
                "wrong_service",
            )
            assert await enter(author.login(own, new_nonce())) == (401, "challenge_expired")
            assert await enter("x" * 5_000) == (401, "bad_login")
            assert await enter("x" * 9_000) == (400, "bad_request")
            assert await enter(author.request(29_400_000, 1, 1)) == (401, "bad_login")
            said = {"net": author.net, "channel": CHANNEL, "home": home, "nonce": new_nonce()}
            said |= {"service": own, "challenge": await challenge()}
            assert await enter(signed_message(author.key, "cw-login", {**said, "net": "other"})) == (
                401,
                "bad_login",
            )
            stranger = make_key(street.folder / f"{new_nonce()}.pem")
            assert await enter(signed_message(stranger, "cw-login", said)) == (401, "bad_login")
            neighbour = {**said, "home": street.network.homes[1]}
            assert await enter(signed_message(author.key, "cw-login", neighbour)) == (401, "bad_login")
        left = await http.request("DELETE", f"{API}/login", headers={"Authorization": f"Bearer {token}"})
        assert left.status_code == 200
        ended = await http.get(f"{API}/me", headers={"Authorization": f"Bearer {token}"})
        assert ended.json()["code"] == "login_required"
        flood = await http.post(
            f"{API}/login", content=b"{" * 20_000, headers={"Content-Type": "application/json"}
        )
        assert (flood.status_code, flood.json()["code"]) == (413, "too_large")
        deep = await http.post(
            f"{API}/login", content=b"[" * 9_000, headers={"Content-Type": "application/json"}
        )
        assert (deep.status_code, deep.json()["code"]) == (400, "bad_request")


async def test_messages_that_are_wrong_are_refused_alone(street: Town) -> None:
    home, foreign = street.network.homes[:2]
    period = await street.next_period()
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(street.serving(rates=HALF))
        client, author = await stack.enter_async_context(street.client(running, home))
        neighbour = stack.enter_context(street.author(foreign))
        good = author.request(period, 100, 200_000)
        elsewhere = Author(author.key, author.journal, author.net, "enmore", home)
        other_key = Author(neighbour.key, author.journal, author.net, CHANNEL, home)
        forged = good.rpartition(b".")[0] + b"." + neighbour.request(period, 1, 1).rpartition(b".")[2]
        wrong = [
            good,
            neighbour.request(period, 100, 200_000),
            elsewhere.request(period, 1, 1),
            other_key.request(period, 1, 1),
            forged,
            b"a.b.c",
            b"x" * 2_000,
            author.login("h", new_nonce()),
        ]
        results = [one.result for one in await client.admit_all(wrong)]
        assert results == [
            "admitted",
            "not_yours",
            "wrong_channel",
            "unknown_key",
            "bad_signature",
            "bad_form",
            "too_large",
            "wrong_typ",
        ]
        [again, once_more] = await client.admit_all([good, good])
        first = await client.admit(good)
        assert again.receipt == once_more.receipt == first.receipt
        assert (await client.carry(good)).written
        assert (await client.admit(good)).receipt == first.receipt
        late = author.request(period - 120, 100, 200_000)
        assert (await client.carry(late)).result in ("gate_closed", "not_taking_bids")
        async with plain_client(running) as http:
            token = (await client.login()).token
            headers = {"Authorization": f"Bearer {token}"}
            path = f"{API}/receipts/{first.digest}"
            got = (await http.get(path, headers=headers)).json()
            assert got["result"] == "written"
            assert base64.b64decode(got["commit"])
            theirs = await session(running, Role.HOME, foreign)
            unknown = await http.get(path, headers=theirs)
            assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_receipt")
            many = await http.post(f"{API}/messages", json={"messages": ["x"] * 1_001}, headers=headers)
            assert (many.status_code, many.json()["code"]) == (400, "bad_request")
            big = await http.post(f"{API}/messages", json={"messages": ["x" * 8_000] * 200}, headers=headers)
            assert (big.status_code, big.json()["code"]) == (413, "too_large")


async def test_a_stream_tells_each_home_its_own_lines_alone(street: Town) -> None:
    """Awards, receipts and recoveries of a home reach it and the operator; an id goes on at any service."""
    buyer, seller, third = street.network.homes
    period = await street.next_period()
    heard: dict[str, list[Any]] = {buyer: [], seller: [], third: [], "NewtownMSP": []}

    async def listen(client: Any, who: str, after: str | None = None) -> None:
        async for event in client.events(after):
            heard[who].append(event)

    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(street.serving(rates=HALF))
        clients = {}
        for who in heard:
            clients[who], author = await stack.enter_async_context(street.client(running, who))
            if who == buyer:
                bid = author.request(period, 400, 250_000)
            if who == seller:
                offer = author.offer(period, 400, 100_000)
        tasks = [asyncio.create_task(listen(clients[who], who)) for who in heard]
        async with asyncio.timeout(20):
            while len(running.parts.hub) < len(heard):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            assert (await clients[buyer].carry(bid)).written
            assert (await clients[seller].carry(offer)).written
            await street.network.close(period)
            await street.network.submit(GRID, "clear_period", {"period": period})
            possession = signed_recovery(street, third)
            key_of = {"author": "home", "home": third}
            await street.network.submit(OPERATOR, "propose_key", key_of, {"possession": possession})
            while not all(any(e.name == "key_recovery" for e in heard[who]) for who in (third, "NewtownMSP")):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            await street.network.submit(OPERATOR, "propose_key", key_of)  # drops it
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        names = {who: [event.name for event in events] for who, events in heard.items()}
        for who in (buyer, seller):
            assert names[who].count("award") == 1
            assert names[who].count("receipt") == 1
            assert "key_recovery" not in names[who]
        assert {"award", "receipt"} & {*names[third], *names["NewtownMSP"]} == set()
        award = next(event for event in heard[buyer] if event.name == "award")
        assert (award.data["bought_wh"], award.data["sold_wh"]) == (400, 0)
        cleared = next(event for event in heard[seller] if event.name == "cleared")
        assert cleared.id.endswith(":0")
        first = heard[seller][0]
        expected = [event.id for event in heard[seller] if event.id][1:]
    # The same service started anew, and one of another organisation that was not there, go on after the same id.
    other = {"folder": street.folder / "grids-service", "organization": "grid"}
    for changes in ({}, other):
        async with AsyncExitStack() as stack:
            running = await stack.enter_async_context(serving(street.settings(rates=HALF, **changes)))
            client, _ = await stack.enter_async_context(street.client(running, seller))
            again: list[str] = []
            async with asyncio.timeout(20):
                async for event in client.events(first.id):
                    again.append(event.id)
                    if len(again) == len(expected):
                        break
            assert again == expected, changes


def signed_recovery(street: Town, home: str) -> bytes:
    """A new key of a home that lost its own."""
    key = make_key(street.folder / f"{new_nonce()}.pem")
    said = {"net": street.network.net, "channel": CHANNEL, "home": home, "nonce": new_nonce()}
    return signed_message(
        key, "cw-key", {**said, "author": "home", "version": 2, "key": dict(key.public.jwk)}
    )


async def test_a_first_key_goes_by_a_code_to_the_operator_and_back(street: Town) -> None:
    """Codes that are malformed or over, keys of others and floods are refused; only the operator sees a code."""
    home = "hnewcomer1"
    proposal = {"home": home, "home_class": "consumer"}
    await street.network.submit(OPERATOR, "register_home", proposal)
    key = make_key(street.folder / f"{new_nonce()}.pem")
    said = {"net": street.network.net, "channel": CHANNEL, "home": home, "nonce": new_nonce()}
    brings = {**said, "author": "home", "version": 1, "key": dict(key.public.jwk)}
    possession = signed_message(key, "cw-key", brings)
    code = f"cw1.{home}.{int(time.time()) + 600}.{'A' * 26}"
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(street.serving(rates=HALF))
        client, author = await stack.enter_async_context(street.client(running, street.network.homes[0]))
        operator, _ = await stack.enter_async_context(street.client(running, "NewtownMSP"))
        wrong = [
            ("cw1.x", possession, "bad_code"),
            (code.replace(str(int(code.split(".")[2])), "1000"), possession, "code_expired"),
            (code, author.brings_key(author.key.public, 1), "wrong_home"),
            (code, signed_message(author.key, "cw-key", brings), "wrong_key"),
            (code, signed_message(key, "cw-key", {**brings, "net": "other"}), "wrong_net"),
            (code, signed_message(key, "cw-key", {**brings, "version": 2}), "wrong_version"),
            (code, b"a.b.c", "bad_form"),
        ]
        for sent, bytes_, expected in wrong:
            with pytest.raises(Refused) as refused:
                await client.enrol(sent, bytes_)
            assert refused.value.code == expected
        bogus = f"cw1.{home}.{int(time.time()) + 500}.{'B' * 26}"
        assert (await client.enrol(bogus, possession)).state == "waiting"
        assert (await client.enrol(code, possession)).state == "waiting"
        assert (await client.enrol(code, possession)).state == "waiting"
        with pytest.raises(Refused, match="forbidden"):
            await client.list_enrolments()
        first, second = await operator.list_enrolments()
        assert (first["code"], second["code"], second["possession"]) == (bogus, code, possession.decode())
        await operator.answer_enrolment(home, "refused", "not our code", first["id"])
        with pytest.raises(Refused, match="unknown_enrolment"):
            await operator.answer_enrolment(home, "refused", "again", first["id"])
        key_of = {"author": "home", "home": home}
        await street.network.submit(OPERATOR, "set_key", key_of, {"possession": possession})
        await operator.answer_enrolment(home, "set")
        assert (await client.enrolment(home, code)).state == "set"
        assert await client.enrolment(home, bogus) == Enrolment("refused", "not our code")
        with pytest.raises(Refused, match="unknown_enrolment"):
            await client.enrolment(home, "cw1.guessed")
        kept = [row["code"] for row in running.parts.store.all("SELECT code FROM enrolments")]
        assert not {code, bogus} & set(kept)
        for number in range(9):
            flood = f"cw1.{home}.{int(time.time()) + 300 + number}.{'C' * 26}"
            if number < 8:
                await client.enrol(flood, possession)
            else:
                with pytest.raises(ServiceAway):
                    await client.enrol(flood, possession)
        street.network.signing[home] = key
        async with street.client(running, home) as (newcomer, _):
            assert (await newcomer.login()).home == home


async def test_figures_and_floods_are_judged_by_the_callers_address(street: Town) -> None:
    """Behind a trusted proxy its word counts: strangers see no figures, and one who floods stops itself alone."""
    few = Rates(stranger=Rate(5, 0.01))
    proxies = (ipaddress.ip_network("127.0.0.0/8"),)
    async with street.serving(rates=few, proxies=proxies) as running, plain_client(running) as http:

        async def get(path: str, address: str) -> httpx.Response:
            return await http.get(path, headers={"X-Forwarded-For": address})

        figures = await get("/metrics", "127.0.0.1")
        assert "commonwatt_service_peer_answers 1" in figures.text
        assert (await get("/metrics", "192.0.2.1")).status_code == 404
        answers = [await get(f"{API}/challenge", "192.0.2.2") for _ in range(6)]
        assert [one.status_code for one in answers] == [200] * 5 + [429]
        assert int(answers[-1].headers["Retry-After"]) > 0
        assert (await get(f"{API}/challenge", "192.0.2.3")).status_code == 200
        page = await http.get(f"{API}/docs")
        assert page.headers["Content-Type"].startswith("text/html")


def test_the_table_knows_every_role() -> None:
    assert Caller(TOKEN, Role.OPERATOR, "NewtownMSP", "", b"", 0).may_see("any home")
    assert not Caller(TOKEN, Role.HOME, "h-1", "", b"", 0).may_see("h-2")
