# SPDX-License-Identifier: Apache-2.0
"""Which exchange is asked what the grid attested when nobody names one: that of the community's rules."""

from pathlib import Path

import pytest
from commonwatt_client.network_file import NetworkFile
from commonwatt_community.market.attestations import exchange_named

from ...support.living_region import ON_EXCHANGE
from ...support.living_town import Town


@pytest.mark.parametrize(
    ("rules", "channels", "found"),
    [
        ({"exchange": ON_EXCHANGE}, {"newtown": {}, "exchange": {"market": "exchange"}}, "exchange"),
        ({"exchange": ON_EXCHANGE}, {"newtown": {}, "exchange": {"market": "forward"}}, None),
        ({"exchange": ON_EXCHANGE}, {"newtown": {}}, None),
        ({}, {"newtown": {}, "exchange": {"market": "exchange"}}, None),
    ],
)
async def test_the_rules_name_it_and_the_network_file_has_it(
    tmp_path: Path, rules: dict[str, object], channels: dict[str, object], found: str | None
) -> None:
    town = Town(tmp_path)
    await town.found(homes=1, **rules)
    network = NetworkFile(tmp_path / "network.json", "test", "embedded", (), {"channels": channels})
    configuration = (await town.operator.get_configuration()).configuration
    assert exchange_named(configuration, network) == found
