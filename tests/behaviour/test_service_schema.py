# SPDX-License-Identifier: Apache-2.0
"""The running service answers as its OpenAPI document says, whatever is sent: schemathesis asks it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commonwatt_community.service import sessions
from commonwatt_community.service.caller import TOKEN, Role
from commonwatt_community.service.rates import Rate, Rates
from commonwatt_community.service.running import Running

from .served import Town, town

UNBOUNDED = Rates(*[Rate(1e6, 1e6)] * 5)
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unsupported_method",
)
NEVER_ENDS = "get_events"
ENDS_THE_SESSION = "delete_login"


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town("embedded", tmp_path_factory.mktemp("service-schema")) as begun:
        yield begun


async def asked(
    running: Running, folder: Path, role: Role, home: str, *options: str
) -> tuple[int | None, str]:
    """How schemathesis ends as a caller of a role, and what it says."""
    begun = await sessions.begin(running.parts.store, TOKEN, role, home)
    process = await asyncio.create_subprocess_exec(
        *(
            str(Path(sys.executable).with_name("st")),
            "--no-color",
            "run",
            f"{running.url}/api/v1/openapi.json",
        ),
        *("--header", f"Authorization: Bearer {begun.secret}"),
        *("--tls-verify", str(running.certificate), "--checks", ",".join(CHECKS)),
        *("--exclude-operation-id", NEVER_ENDS, "--exclude-operation-id", ENDS_THE_SESSION),
        *("--warnings", "off", "--suppress-health-check", "all", *options),
        cwd=folder,  # it leaves files
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_a_few_requests_of_each_kind(street: Town) -> None:
    async with street.serving(rates=UNBOUNDED) as running:
        code, said = await asked(
            running,
            street.folder,
            Role.HOME,
            street.network.homes[0],
            *("--phases", "fuzzing", "--max-examples", "2", "--seed", "1"),
        )
    assert code == 0, said[-6_000:]


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("role", [Role.HOME, Role.OPERATOR])
async def test_many_requests_of_each_kind(street: Town, role: Role) -> None:
    home = street.network.homes[0] if role is Role.HOME else "NewtownMSP"
    async with street.serving(rates=UNBOUNDED) as running:
        code, said = await asked(
            running, street.folder, role, home, "--phases", "coverage,fuzzing", "--max-examples", "8"
        )
    assert code == 0, said[-6_000:]
