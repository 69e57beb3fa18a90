# SPDX-License-Identifier: Apache-2.0
"""The community's service when it is killed or loses its peer: what has a receipt is delivered."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from commonwatt_community.api import ServiceAway, ServiceClient
from commonwatt_community.service.route import API

from ..support.line import Line
from .conftest import BACKENDS
from .served import Town, plain_client, town

BIDS = 60


@pytest.fixture(
    scope="module",
    params=[pytest.param(one, marks=[pytest.mark.long] if one == "native" else []) for one in BACKENDS],
)
def street(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town(request.param, tmp_path_factory.mktemp(f"killed-{request.param}")) as begun:
        yield begun


async def started(street: Town, *options: str) -> tuple[asyncio.subprocess.Process, str]:
    """`commonwatt serve` as a process of its own, and its address."""
    with (street.folder / "serve.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("commonwatt")),
            *("serve", "--network", str(street.network.path), "--folder", str(street.folder / "service")),
            *("--port", "0", *options),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
    assert " serves newtown; homes pin " in line
    return process, line.split()[0]


async def healthy(url: str, certificate: Path) -> None:
    """Wait until the service says that it works."""
    import ssl

    context = ssl.create_default_context(cafile=str(certificate))
    async with httpx.AsyncClient(base_url=url, verify=context, trust_env=False) as http:
        await health(http, 200)


async def health(http: httpx.AsyncClient, status: int) -> str:
    """Wait until the service's health has a status; what it says then."""
    async with asyncio.timeout(30):
        while True:
            got = await http.get("/healthz")
            if got.status_code == status:
                return str(got.json()["state"])
            await asyncio.sleep(0.1)


async def test_what_has_a_receipt_outlives_kill_9(street: Town) -> None:
    """Killed at once after it admitted sixty bids, and again while it delivers them: each is on the ledger."""
    certificate = street.folder / "service" / "service.crt"
    home = street.network.homes[0]
    period = await street.next_period()
    said = [period + 5 * (number % 3) for number in range(BIDS)]
    async with AsyncExitStack() as stack:
        author = stack.enter_context(street.author(home))
        bids = [author.request(period, 100 + number, 200_000) for number, period in enumerate(said)]
        digests = []
        for kill in (True, True, False):
            process, url = await started(street)
            try:
                await healthy(url, certificate)
                async with ServiceClient(url, certificate.read_bytes(), author) as client:
                    if not digests:
                        admitted = await client.admit_all(bids)
                        assert {one.result for one in admitted} == {"admitted"}
                        digests = [one.digest for one in admitted]
                    if not kill:
                        results = [await client.carry(bid) for bid in bids]
                        assert {one.result for one in results} == {"written"}
                        standing = [m for p in set(said) for m in await client.list_messages("bid", p)]
                        assert {one.message.encode() for one in standing} == set(bids)
            finally:
                process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
                assert await asyncio.wait_for(process.wait(), 30) == (-signal.SIGKILL if kill else 0)


async def test_a_service_without_its_peer_says_so_and_delivers_when_it_is_back(
    street: Town, tmp_path: Path
) -> None:
    home = street.network.homes[1]
    period = await street.next_period()
    content = json.loads(street.network.path.read_text())
    peer = content["organizations"]["newtown"]["peers"][0]
    async with Line(peer["address"]) as line, AsyncExitStack() as stack:
        peer["address"] = line.address
        cut_off = street.network.path.with_name("cut-off.json")
        cut_off.write_text(json.dumps(content))
        stack.callback(cut_off.unlink)
        running = await stack.enter_async_context(street.serving(network=cut_off))
        client, author = await stack.enter_async_context(street.client(running, home))
        http = await stack.enter_async_context(plain_client(running))
        assert await health(http, 200) == "ok"
        bid = author.request(period, 100, 200_000)
        admitted = await client.admit(bid)
        assert admitted.receipt is not None
        line.cut()
        assert await health(http, 503) == "no_peer"
        headers = {"Authorization": f"Bearer {(await logged_in(client))}"}
        for got in (
            await http.get(f"{API}/configuration", headers=headers),
            await http.post(f"{API}/messages", json={"messages": [bid.decode()]}, headers=headers),
        ):
            assert (got.status_code, got.json()["code"]) == (503, "peer_unreachable")
            assert got.headers["Retry-After"]
        with pytest.raises(ServiceAway):
            await client.get_period(period)
        line.mend()
        await health(http, 200)
        assert (await client.carry(bid)).written


async def logged_in(client: ServiceClient) -> str:
    """The token that the client has already."""
    return await client._transport._token()
