# SPDX-License-Identifier: Apache-2.0
"""A home by its service: `home new` with a bundle, messages with receipts, and what goes wrong on the way."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from commonwatt_chaincode.messages.message import read
from commonwatt_client.exit_codes import DONE, FAILED, MISUSED, NO_NETWORK
from commonwatt_community.founding.codes import new_code
from commonwatt_community.home.routes import NoWay, routes_of
from commonwatt_community.home.settings import beside, read_settings
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.journal import Journal
from commonwatt_community.messages.signing_key import load_key
from commonwatt_community.meters.clock import Clock
from commonwatt_community.service.running import Running

from ..support.mosquitto import free_port
from .forward_network import CHANNEL
from .served import CARRIER, Town, town
from .test_home_run import commonwatt

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]
SECRET = b"s" * 32
NEW_HOME = "h-new"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town("embedded", tmp_path_factory.mktemp("home-by-service"), homes=1) as made:
        yield made


def bundle_of(running: Running, net: str, home: str, folder: Path, expires_s: int) -> Path:
    assert running.certificate is not None
    file = folder / f"{home}.json"
    content = {
        "service": running.url,
        "service_certificate": running.certificate.read_text(),
        "home": home,
        "net": net,
        "channel": CHANNEL,
        "code": new_code(SECRET, home, expires_s),
        "author": "home",
    }
    file.write_text(json.dumps(content))
    return file


async def test_a_bundle_makes_a_home_and_asks_for_its_key(served: Town, tmp_path: Path) -> None:
    async with served.serving() as running:
        net = served.network.net
        bundle = bundle_of(running, net, NEW_HOME, tmp_path, int(time.time()) + 3_600)
        file = tmp_path / "home" / "home.yaml"
        words = ("home", "new", "--bundle", str(bundle), "--meter", "file", str(file))
        for _ in range(2):  # asked again, it is the same request
            code, said, wrong = await commonwatt(*words)
            assert (code, wrong) == (DONE, ""), (said, wrong)
            assert "waiting for the operator" in said
        settings = read_settings(file)
        assert (settings.home, settings.net) == (NEW_HOME, net)
        assert oct(beside(file, settings.key).stat().st_mode)[-3:] == "600"
        async with served.client(running, "NewtownMSP") as (operator, _):
            [asked] = await operator.list_enrolments()
            assert read(asked["possession"].encode()).home == NEW_HOME
            await operator.answer_enrolment(NEW_HOME, "refused", "no such house")
        code, _, wrong = await commonwatt(*words)
        assert (code, wrong.count("\n")) == (FAILED, 1)
        assert "no such house" in wrong

        late = bundle_of(running, net, "h-late", tmp_path, int(time.time()) - 1)
        code, _, wrong = await commonwatt(
            "home", "new", "--bundle", str(late), str(tmp_path / "late" / "home.yaml")
        )
        assert (code, wrong.count("\n")) == (FAILED, 1)
        assert "code_expired" in wrong
        code, _, wrong = await commonwatt("home", "new", "--bundle", str(late), str(file))
        assert (code, wrong.count("\n")) == (MISUSED, 1)
        assert "is of home h-new" in wrong
    code, _, wrong = await commonwatt(*words)
    assert (code, wrong.count("\n")) == (NO_NETWORK, 1), wrong
    assert "does not answer" in wrong


def lines_of(journal: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in Path(journal).read_text().splitlines()]


def home_yaml(served: Town, running: Running, folder: Path, **changes: Any) -> Path:
    """The town's first home, by the service, with pins of both organisations."""
    assert running.certificate is not None
    layout = served.network.nodes.layout
    pins = {
        mspid: [str(one) for one in (layout.msp(name) / "cacerts").iterdir()]
        for mspid, name in (("NewtownMSP", "newtown"), ("GridMSP", "grid"))
    }
    keys = served.network.keys
    content = {
        "home": served.network.homes[0],
        "net": served.network.net,
        "channel": CHANNEL,
        "key": str(keys / "0.pem"),
        "journal": str(keys / f"{served.network.homes[0]}.journal"),
        "carriers": [{"service": running.url, "authority": str(running.certificate), "carrier": CARRIER}],
        "pins": pins,
        "meter": {"kind": "file", "path": "."},
        **changes,
    }
    file = folder / "home.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


async def test_what_a_home_says_is_written_with_receipts_and_a_second_way_is_taken(
    served: Town, tmp_path: Path
) -> None:
    period = await served.next_period()
    async with served.serving() as running:
        file = home_yaml(served, running, tmp_path)
        settings = read_settings(file)
        with Journal(Path(settings.journal)) as journal:
            author = Author(load_key(Path(settings.key)), journal, settings.net, CHANNEL, settings.home)
            async with routes_of(settings, file, author, journal, Clock()) as routes:
                compact = author.request(period, 100, 250_000)
                carried = await routes.carry(compact)
                assert carried.written
                lines = lines_of(settings.journal)
                assert sum("receipt" in line for line in lines) == 1
                assert [line["digest"] for line in lines if "committed" in line] == [carried.digest]
                bad = author.offer(period, 10, 60_000)[:-8] + b"AAAAAAAA"
                assert (await routes.carry(bad)).result == "bad_signature"
                prices = await routes.ask(lambda asks: asks.get_prices(period, period + 5))
                assert prices == ()
            # A service that is not there, then one whose receipts nobody pins, then the one that serves.
            nowhere = {"service": f"https://127.0.0.1:{free_port()}", "authority": str(running.certificate)}
            plain = {"service": running.url, "authority": str(running.certificate)}
            file = home_yaml(served, running, tmp_path, carriers=[nowhere, plain], pins={})
            async with routes_of(read_settings(file), file, author, journal, Clock()) as routes:
                assert (await routes.carry(author.withdraw(period))).written
                assert (await routes.ask(lambda asks: asks.get_home(settings.home))).home == settings.home
            file = home_yaml(served, running, tmp_path, carriers=[nowhere], pins={})
            async with routes_of(read_settings(file), file, author, journal, Clock()) as routes:
                with pytest.raises(NoWay, match="does not answer"):
                    await routes.carry(author.withdraw(period))
