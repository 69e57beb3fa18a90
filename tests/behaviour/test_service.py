# SPDX-License-Identifier: Apache-2.0
"""The community's service on networks: a home logs in, has messages carried, and reads what is its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commonwatt_community.market.commit_receipts import Pins, committed
from commonwatt_community.market.receipts import keys_of_carrier, promise
from commonwatt_community.market.refused import Refused

from .conftest import BACKENDS
from .forward_network import CHANNEL
from .served import CARRIER, Town, town


@pytest.fixture(scope="module", params=BACKENDS)
def street(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town(request.param, tmp_path_factory.mktemp(f"service-{request.param}")) as begun:
        yield begun


def pins(street: Town) -> Pins:
    layout = street.network.nodes.layout
    return Pins.of(
        {
            mspid: tuple(one.read_bytes() for one in (layout.msp(name) / "cacerts").iterdir())
            for mspid, name in (("NewtownMSP", "newtown"), ("GridMSP", "grid"))
        }
    )


async def test_a_home_logs_in_bids_and_gets_both_receipts(street: Town) -> None:
    home = street.network.homes[0]
    period = await street.next_period()
    async with street.serving() as running, street.client(running, home) as (client, author):
        bid = author.request(period, 300, 200_000)
        admitted = await client.admit(bid)
        assert admitted.result == "admitted"
        keys = keys_of_carrier(await client.get_keys("carrier", CARRIER), street.network.net, CHANNEL)
        promised = promise(admitted.receipt or b"", bid, keys, time.time())
        assert promised.digest == admitted.digest
        assert (await client.carry(bid)).written
        proof = await client.endorsed_status("bid", period, home, 1, admitted.digest)
        committed(proof, bid, "home", CHANNEL, pins(street), time.time())
        [standing] = await client.list_messages("bid", period)
        assert standing.message.encode() == bid
        assert (await client.get_home(home)).home == home
        with pytest.raises(Refused, match="not_yours"):
            await client.get_home(street.network.homes[1])


def blocks(page: str, kind: str) -> list[str]:
    """The examples of a language."""
    return re.findall(rf"^```{kind}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def values(text: str) -> list[Any]:
    """JSON values that follow each other."""
    found, at = [], 0
    while at < len(text):
        value, at = json.JSONDecoder().raw_decode(text, at)
        found.append(value)
    return found


async def test_the_examples_of_the_page_run(street: Town, repository: Path, tmp_path: Path) -> None:
    """curl and JavaScript of docs/rest.md, as they stand; the Python example too."""
    page = (repository / "docs/rest.md").read_text("utf-8")
    blocks = {
        kind: re.findall(rf"^```{kind}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
        for kind in ("sh", "js", "python")
    }
    [curl], [javascript], [python] = blocks["sh"], blocks["js"], blocks["python"]
    home = street.network.homes[2]
    period = await street.next_period()
    async with street.serving() as running, street.client(running, home) as (client, author):
        assert running.certificate is not None
        shutil.copy(running.certificate, tmp_path / "service.crt")
        shutil.copy(street.network.keys / "2.pem", tmp_path / "home.pem")
        (tmp_path / "example.mjs").write_text(javascript)
        environment = {
            **os.environ,
            "SERVICE": running.url,
            "HOME_ID": home,
            "NET": street.network.net,
            "CHANNEL": CHANNEL,
            "PERIOD": str(period),
            "SEQ": "1",
            "NODE_EXTRA_CA_CERTS": "service.crt",
            "TOKEN": (await client.login()).token,
        }

        async def ran(*command: str) -> str:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=tmp_path,
                env=environment,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            said, _ = await process.communicate()
            assert process.returncode == 0, said.decode()
            return said.decode()

        assert json.loads(await ran("node", "example.mjs")) == {"result": "written", "proven": True}
        environment["PERIOD"] = str(period + 5)
        (tmp_path / "messages.json").write_text(
            json.dumps({"messages": [author.request(period + 5, 900, 250_000).decode()]})
        )
        answers = [
            json.loads(line)
            for line in (await ran("sh", "-e", "-c", curl.replace('"\n', '"; echo\n'))).split("\n")
            if line
        ]
        assert answers[1]["home"] == home
        assert answers[2]["period"] == period + 5
        assert answers[3]["results"][0]["result"] == "admitted"
        names: dict[str, Any] = {}
        exec(compile(python, "docs/rest.md", "exec"), names)
        with contextlib.chdir(tmp_path):
            assert await names["bid"](running.url, author, period + 10) == "written"
