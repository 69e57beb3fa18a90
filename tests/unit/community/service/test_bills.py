# SPDX-License-Identifier: Apache-2.0
"""Bills by REST, on the contracts themselves: what the grid attested of them, and the carbon account of a home."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from commonwatt_community.market.attestations import PAUSE_S
from commonwatt_community.service import sessions
from commonwatt_community.service.caller import TOKEN, Role

from ....support.living_region import ON_EXCHANGE
from ....support.served_town import DAY, ServedTown

HOURS = 24
QUOTA = {"quota_g_per_day": 2_000, "price_uaud_per_kg": 100_000, "intensity": [[0, 24, 660]]}


@asynccontextmanager
async def client_of(served: ServedTown, *, trades: bool = True) -> AsyncIterator[TestClient[Any, Any]]:
    """A home that is logged in."""
    async with served.serving(trades=trades) as (server, parts):
        begun = await sessions.begin(parts.store, TOKEN, Role.HOME, "h1")
        async with TestClient(server, headers={"Authorization": f"Bearer {begun.secret}"}) as client:
            yield client


@pytest.fixture
def served(tmp_path: Path) -> ServedTown:
    return ServedTown(tmp_path)


async def asked(client: TestClient[Any, Any], path: str) -> dict[str, Any]:
    async with client.get(f"/api/v1/homes/{path}") as answer:
        assert answer.status == 200, await answer.text()
        found: dict[str, Any] = await answer.json()
        return found


async def test_a_bill_says_what_the_grid_attested_of_it(served: ServedTown) -> None:
    await served.live(exchange=ON_EXCHANGE)
    await served.attest(5)
    async with client_of(served) as client:
        bill = await asked(client, f"h1/bills/{DAY}")
        assert (bill["attested_periods"], bill["settled_periods"]) == (5, HOURS)
        assert bill["amount_naud"] == (await served.town.operator.get_bill("h1", DAY)).amount_naud
        month = await asked(client, "h1/statement?month=2026-12")
        assert (month["attested_periods"], month["settled_periods"]) == (5, 1 + HOURS)
        portal = (await asked(client, "h1/summary"))["month"]
        assert portal["attested"] == {name: month[name] for name in ("attested_periods", "settled_periods")}
        async with client.get("/api/v1/homes/h1/statement.html?month=2026-12") as page:
            assert f"The grid computed 5 of {month['settled_periods']} settled periods" in await page.text()


async def test_bills_do_not_wait_for_an_exchange_that_is_away(served: ServedTown) -> None:
    await served.live(exchange=ON_EXCHANGE)
    await served.attest(HOURS)
    served.exchange.away = True
    async with client_of(served) as client:
        assert "attested_periods" not in await asked(client, f"h1/bills/{DAY}")
        assert (await asked(client, "h1/summary"))["month"]["attested"] is None
        served.exchange.away = False
        assert "attested_periods" not in await asked(client, "h1/statement?month=2026-12"), "it is left alone"
        served.now_s += PAUSE_S
        assert (await asked(client, f"h1/bills/{DAY}"))["attested_periods"] == HOURS


async def test_a_community_on_no_exchange_says_nothing_of_it(served: ServedTown) -> None:
    await served.live()
    async with client_of(served, trades=False) as client:
        assert "attested_periods" not in await asked(client, f"h1/bills/{DAY}")
        assert (await asked(client, "h1/summary"))["month"]["attested"] is None


async def test_a_home_reads_its_carbon_account(served: ServedTown) -> None:
    await served.live(carbon=QUOTA)
    async with client_of(served, trades=False) as client:
        account = await asked(client, f"h1/carbon/{DAY}")
        bill = await asked(client, f"h1/bills/{DAY}")
        assert account["line"] == bill["carbon"]
        assert account["quota"]["quota_g_per_day"] == QUOTA["quota_g_per_day"]
        month = await asked(client, "h1/statement?month=2026-12")
        told = (await asked(client, "h1/summary"))["carbon"]
        assert told["month"] == month["carbon"]
        assert told["month"]["days"] == len(month["days_billed"])
        assert told["quota_g_per_day"] == QUOTA["quota_g_per_day"]
        for path, code in ((f"h2/carbon/{DAY}", "not_yours"), (f"h1/carbon/{DAY + 40}", "no_carbon")):
            async with client.get(f"/api/v1/homes/{path}") as answer:
                assert (await answer.json())["code"] == code


async def test_without_a_quota_there_is_no_account(served: ServedTown) -> None:
    await served.live()
    async with client_of(served, trades=False) as client:
        async with client.get(f"/api/v1/homes/h1/carbon/{DAY}") as answer:
            assert (answer.status, (await answer.json())["code"]) == (404, "no_carbon")
        assert "carbon" not in await asked(client, "h1/statement?month=2026-12")
        assert (await asked(client, "h1/summary"))["carbon"] is None
