# SPDX-License-Identifier: Apache-2.0
"""Which exchange a statement asks for attestations when nobody names one: that of the community's rules."""

from pathlib import Path

import pytest
from commonwatt_client.network_file import NetworkFile
from commonwatt_community.statement.cli import exchange_named

from ....support.living_region import ON_EXCHANGE
from ....support.living_town import Town


@pytest.mark.parametrize(
    ("rules", "channels", "found"),
    [
        ({"exchange": ON_EXCHANGE}, {"newtown": {}, "exchange": {}}, "exchange"),
        ({"exchange": ON_EXCHANGE}, {"newtown": {}}, None),
        ({}, {"newtown": {}, "exchange": {}}, None),
    ],
)
async def test_the_rules_name_it_and_the_network_file_has_it(
    tmp_path: Path, rules: dict[str, object], channels: dict[str, object], found: str | None
) -> None:
    town = Town(tmp_path)
    await town.found(homes=1, **rules)
    network = NetworkFile(tmp_path / "network.json", "test", "embedded", (), {"channels": channels})
    assert await exchange_named(town.operator, network) == found
