# SPDX-License-Identifier: Apache-2.0
"""The test chaincode on a running network, and short ways to call it."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from commonwatt_client import Contract, EvaluateError, Gateway
from commonwatt_client.admin import CollectionConfig

PROBE = Path(__file__).parent / "chaincode" / "probe.py"
MSPIDS = ("NewtownMSP", "GridMSP")
MEMBERS = "OR('NewtownMSP.member', 'GridMSP.member')"
COLLECTIONS = (
    CollectionConfig("shared", MEMBERS),
    CollectionConfig("newtown_only", "OR('NewtownMSP.member')"),
)


@dataclass(frozen=True)
class Probe:
    """The test chaincode as one user sees it; arguments that are not text go as JSON."""

    gateway: Gateway
    contract: Contract

    async def submit(
        self, name: str, *arguments: Any, transient: Mapping[str, bytes] | None = None, by: Sequence[str] = ()
    ) -> str:
        """Submit and wait for the commit; ``by`` names the organisations that endorse."""
        outcome = await self.contract.submit(
            name, arguments=_encoded(arguments), transient=transient, endorsing_organizations=by
        )
        return outcome.result.decode()

    async def evaluate(
        self, name: str, *arguments: Any, transient: Mapping[str, bytes] | None = None, by: Sequence[str] = ()
    ) -> str:
        """Evaluate; the payload as text."""
        result = await self.contract.evaluate(
            name, arguments=_encoded(arguments), transient=transient, endorsing_organizations=by
        )
        return result.decode()

    async def answers(self, timeout_s: float = 30.0) -> None:
        """Wait until the chaincode's server has started in every organisation."""
        for mspid in MSPIDS:
            async with asyncio.timeout(timeout_s):
                while True:
                    try:
                        await self.evaluate("get", "absent", by=[mspid])
                        break
                    except EvaluateError as error:
                        if "launch" not in str(error) and "connect" not in str(error):
                            raise

    async def json(self, name: str, *arguments: Any) -> Any:
        """Evaluate; the payload read as JSON."""
        return json.loads(await self.evaluate(name, *arguments))

    async def refusal(self, name: str, *arguments: Any) -> str:
        """Evaluate what must be refused: what the chaincode's peer said."""
        try:
            result = await self.evaluate(name, *arguments)
        except EvaluateError as error:
            return " ".join(detail.message for detail in error.details) or str(error)
        raise AssertionError(f"{name} was not refused but answered {result!r}")


def _encoded(arguments: Sequence[Any]) -> list[str | bytes]:
    return [value if isinstance(value, str | bytes) else json.dumps(value) for value in arguments]


@pytest.fixture(scope="module")
def deployed(network: Any) -> Any:
    """The running network with the test chaincode on its channel `trials`: any one member may endorse."""
    network.deploy(PROBE, "probe", endorsement_policy=MEMBERS, collections=COLLECTIONS)
    return network


@pytest.fixture
async def gateway(deployed: Any) -> AsyncIterator[Gateway]:
    """A connection as newtown's operator, to chaincode that answers."""
    async with deployed.connect() as gateway:
        await Probe(gateway, gateway.get_network("trials").get_contract("probe")).answers()
        yield gateway


@pytest.fixture
def key() -> str:
    """A key that no other test uses: tests share one ledger."""
    return f"k{secrets.token_hex(6)}"


Opener = Callable[..., Awaitable[Probe]]
