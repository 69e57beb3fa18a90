# SPDX-License-Identifier: Apache-2.0
"""The service's client against a server that answers well, badly, slowly and under a false name."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from commonwatt_client.errors import ConfigurationError, MalformedMessageError
from commonwatt_community.api import ServiceAway, ServiceClient, ServiceMisnamed
from commonwatt_community.api.event_lines import LONGEST_DATA, events_of
from commonwatt_community.api.transport import Transport
from commonwatt_community.market.refused import Refused
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.journal import Journal
from commonwatt_community.messages.signing_key import make_key

Answers = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def client_of(
    tmp_path: Path, answers: dict[str, Answers], name: str = ""
) -> AsyncIterator[ServiceClient]:
    """A client that logs in at a server with these answers."""

    async def challenge(request: web.Request) -> web.Response:
        return web.json_response({"challenge": "A" * 22, "expires_s": 1, "service": name or request.host})

    async def login(_: web.Request) -> web.Response:
        return web.json_response({"token": "t", "expires_s": 1, "role": "home", "home": "h-1"})

    app = web.Application()
    for path, answer in {"/challenge": challenge, "/login": login, **answers}.items():
        app.router.add_route("*", f"/api/v1{path}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        with Journal(tmp_path / "home.journal") as journal:
            author = Author(make_key(tmp_path / "home.pem"), journal, "net", "newtown", "h-1")
            async with ServiceClient(url, None, author, timeout_s=2) as client:
                yield client
    finally:
        await runner.cleanup()


def problem(status: int, code: str, **headers: str) -> Answers:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"code": code, "detail": "so it is"}, status=status, headers=headers)

    return answer


async def test_a_session_that_ended_is_begun_again(tmp_path: Path) -> None:
    asked = []

    async def me(request: web.Request) -> web.StreamResponse:
        asked.append(request.headers["Authorization"])
        if len(asked) == 1:
            return await problem(401, "login_required")(request)
        return web.json_response({"home": "h-1", "paused": False, "limits": {}, "version": 0})

    async with client_of(tmp_path, {"/homes/h-1/wishes": me}) as client:
        assert (await client.wishes("h-1")).version == 0
    assert asked == ["Bearer t"] * 2


async def test_what_a_service_refuses_and_what_fails_it_are_told_apart(tmp_path: Path) -> None:
    answers = {
        "/periods/1": problem(409, "bad_period"),
        "/periods/2": problem(503, "peer_unreachable", **{"Retry-After": "2"}),
        "/periods/3": problem(500, "internal"),
    }

    async def nonsense(_: web.Request) -> web.Response:
        return web.Response(text="<html>")

    async def hangs(_: web.Request) -> web.Response:
        await asyncio.sleep(4)  # longer than the client waits
        return web.Response()

    async with client_of(tmp_path, {**answers, "/periods/4": nonsense, "/periods/5": hangs}) as client:
        with pytest.raises(Refused) as refused:
            await client.get_period(1)
        assert refused.value.code == "bad_period"
        with pytest.raises(ServiceAway) as away:
            await client.get_period(2)
        assert (away.value.code, away.value.retry_after_s) == ("peer_unreachable", 2.0)
        with pytest.raises(ServiceAway):
            await client.get_period(3)
        with pytest.raises(MalformedMessageError):
            await client.get_period(4)
        with pytest.raises(ServiceAway):
            await client.get_period(5)


async def test_no_login_is_signed_for_another_name(tmp_path: Path) -> None:
    async with client_of(tmp_path, {}, name="bank.example:443") as client:
        with pytest.raises(ServiceMisnamed, match="calls itself bank.example"):
            await client.get_configuration()


async def test_messages_and_receipts_are_read_as_they_are(tmp_path: Path) -> None:
    waits = []

    async def messages(request: web.Request) -> web.Response:
        said = await request.json()
        return web.json_response(
            {"results": [{"digest": "d", "result": "admitted", "receipt": "a.b.c"}] * len(said["messages"])}
        )

    async def receipt(request: web.Request) -> web.Response:
        waits.append(request.query["wait_s"])
        return web.json_response(
            {"digest": "d", "result": "pending" if len(waits) == 1 else "written", "commit": None}
        )

    async def proof(_: web.Request) -> web.Response:
        return web.json_response({"digest": "d", "commit": base64.b64encode(b"envelope").decode()})

    answers: dict[str, Answers] = {
        "/messages": messages,
        "/receipts/{digest}": receipt,
        "/homes/h-1/proof": proof,
    }
    async with client_of(tmp_path, answers) as client:
        with Journal(tmp_path / "other.journal") as journal:
            author = Author(make_key(tmp_path / "other.pem"), journal, "net", "newtown", "h-1")
            bid = author.request(29_400_000, 1, 1)
        assert (await client.admit(bid)).receipt == b"a.b.c"
        assert (await client.carry(bid)).written
        assert len(waits) == 2
        assert await client.endorsed_status("bid", 1, "h-1", 1, "d") == b"envelope"
        assert (await client.carry(b"no message")).result == "bad_form"


async def test_a_stream_that_ends_goes_on_after_the_last_id(tmp_path: Path) -> None:
    asked = []

    async def events(request: web.Request) -> web.StreamResponse:
        asked.append(request.headers.get("Last-Event-ID"))
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        number = len(asked)
        await answer.write(f'id: {number}:a:0\nevent: cleared\ndata: {{"period":{number}}}\n\n'.encode())
        await answer.write(b'event: receipt\ndata: {"digest":"d"}\n\n: comment\n\n')
        return answer

    async with client_of(tmp_path, {"/events": events}) as client, asyncio.timeout(20):
        heard = []
        async for event in client.events("0:a:0"):
            heard.append((event.id, event.name))
            if len(heard) == 3:
                break
    assert heard == [("1:a:0", "cleared"), ("", "receipt"), ("2:a:0", "cleared")]
    assert asked == ["0:a:0", "1:a:0"]


async def test_events_that_are_no_events_end_the_stream() -> None:
    async def lines(*given: str) -> AsyncIterator[str]:
        for one in given:
            yield one

    found = [
        one
        async for one in events_of(
            lines(": hello", "", "event: a", 'data: {"b":', "data: 1}", "", "data: x", "")
        )
    ]
    assert [(one.name, one.data) for one in found] == [("a", {"b": 1})]
    for wrong in (
        ["event: a", "data: x", ""],
        ["event: a", "data: []", ""],
        ["data: " + "x" * (LONGEST_DATA + 1)],
    ):
        with pytest.raises(MalformedMessageError):
            _ = [one async for one in events_of(lines(*wrong))]


@pytest.mark.parametrize("url", ["energy.example", "ftp://energy.example", "https://"])
async def test_addresses_and_authorities_are_judged_at_once(url: str) -> None:
    with pytest.raises(ConfigurationError):
        Transport(url, None, None, 1.0)
    with pytest.raises(ConfigurationError, match="PEM"):
        Transport("https://energy.example", b"no certificate", None, 1.0)
