# SPDX-License-Identifier: Apache-2.0
"""home.yaml: its schema holds its examples, and each mistake is said with its place in one line."""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from commonwatt_client.errors import ConfigurationError
from commonwatt_community.home.examples import METERS
from commonwatt_community.home.settings import beside, json_schema, read_settings, settings_of
from commonwatt_community.meters.settings import KINDS

GOOD = {
    "home": "h1",
    "net": "n1",
    "channel": "newtown",
    "key": "message_key.pem",
    "journal": "home.journal",
    "carriers": [{"service": "https://energy.example:8443", "authority": "service.pem"}],
    "meter": METERS["mqtt"],
}


def test_each_meters_example_can_be_right() -> None:
    assert set(METERS) == set(KINDS)
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for meter in METERS.values():
        settings_of({**GOOD, "meter": meter}, Path("home.yaml"))
        jsonschema.validate({**GOOD, "meter": meter}, schema)


def test_a_meter_of_another_package_has_settings_of_its_own() -> None:
    settings = settings_of({**GOOD, "meter": {"kind": "tide", "depth_m": 3}}, Path("home.yaml"))
    assert settings.meter.model_dump() == {"kind": "tide", "depth_m": 3}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"meter": {"kind": "mqtt"}}, "meter.mqtt.broker"),
        ({"meter": {**METERS["http"], "port": 1}}, "name either `url`"),
        ({"carriers": []}, "carriers"),
        ({"carriers": [{"service": "https://x", "user": "y"}]}, "carriers.0"),
        ({"forecast": "perfect"}, "knows the future"),
        ({"battery": {"capacity_wh": 0, "power_w": 1}}, "battery.capacity_wh"),
        ({"pages": 1}, "pages"),
        ({"home": None}, "home"),
    ],
)
def test_a_mistake_is_said_with_its_place(change: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(said)) as refused:
        settings_of({**GOOD, **change}, Path("home.yaml"))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "[", "a: 1\na: 2\n", "- 1", "\x00"])
def test_a_file_that_is_no_home(tmp_path: Path, text: str) -> None:
    file = tmp_path / "home.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"home\.yaml"):
        read_settings(file)


def test_a_file_is_read_and_what_it_names_is_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "home.yaml"
    file.write_text(yaml.safe_dump(GOOD))
    assert beside(file, read_settings(file).key) == tmp_path / "message_key.pem"
    with pytest.raises(ConfigurationError, match="commonwatt home new"):
        read_settings(tmp_path / "nowhere.yaml")
