# SPDX-License-Identifier: Apache-2.0
"""The portal's file: what it takes, and one line for what it does not."""

from pathlib import Path

import pytest
from commonwatt_client.errors import ConfigurationError
from commonwatt_community.portal.settings import LARGEST_BYTES, PortalSettings, read_portal_settings
from commonwatt_community.portal.summary import Co2Factor


def test_a_name_and_a_factor(tmp_path: Path) -> None:
    path = tmp_path / "portal.yaml"
    path.write_text("community: Newtown\nco2: {g_per_kwh: 660, source: National Greenhouse Accounts}\n")
    factor = Co2Factor(660, "National Greenhouse Accounts")
    assert read_portal_settings(path) == PortalSettings("Newtown", factor)
    path.write_text("")
    assert read_portal_settings(path) == PortalSettings()


@pytest.mark.parametrize(
    "content",
    [
        "co2: {g_per_kwh: 660}",  # a factor that nobody vouches for
        "co2: {g_per_kwh: -1, source: nowhere}",
        "co2: {g_per_kwh: '660', source: nowhere}",
        "colour: red",
        "community: [1]",
        "- a list",
        "a: b: c",
        "\x00",
        "#" * (LARGEST_BYTES + 1),
    ],
)
def test_what_is_no_such_file(tmp_path: Path, content: str) -> None:
    path = tmp_path / "portal.yaml"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match="portal.yaml") as raised:
        read_portal_settings(path)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_portal_settings(tmp_path / "nowhere.yaml")
