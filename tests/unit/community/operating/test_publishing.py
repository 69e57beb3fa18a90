# SPDX-License-Identifier: Apache-2.0
"""Tariff and envelope files: published once, by the version that they replace; another version stops the operator."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from commonwatt_client.exit_codes import UsageError
from commonwatt_community.operating.files import local_minute, read_envelopes_file, read_tariff_file
from commonwatt_community.operating.loop import Stopped
from commonwatt_community.operating.publishing import Publishing

from ....support.living_town import MIDNIGHT_S, TARIFF, Town

DEARER = {
    "schedules": [
        {
            "days": {"weekdays": [0, 1, 2, 3, 4, 5, 6], "holidays": True},
            "bands": [{"name": "all", "from_min": 0, "to_min": 1440, "tou": 400_000, "feed_in": 60_000}],
        }
    ]
}
ENVELOPE = {"from_local": "2026-12-03T12:00", "to_local": "2026-12-03T18:00", "export_w": 3_000}


def write(path: Path, content: object) -> Path:
    path.write_text(yaml.safe_dump(content))
    return path


def publishing(town: Town, folder: Path, *, grid: bool = True) -> Publishing:
    return Publishing(
        town.ledger(),
        town.grid if grid else None,
        folder / "tariff.yaml",
        folder / "envelopes.yaml",
        town.telling(),
    )


async def test_a_tariff_is_published_once_and_another_file_stops(tmp_path: Path) -> None:
    town = Town(tmp_path)
    await town.found(homes=1)
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    await publishing(town, one).run()
    write(one / "tariff.yaml", {"replaces": 1, "tariff": DEARER, "from_date": _date("2026-12-10")})
    for _ in range(2):
        await publishing(town, one).run()
    assert [line for line in town.lines if "published tariff.yaml as version 2" in line] == town.lines
    write(two / "tariff.yaml", {"replaces": 1, "tariff": dict(TARIFF), "holidays": [_date("2026-12-25")]})
    with pytest.raises(Stopped, match=r"replaces version 1 .* version 2 stands with another tariff"):
        await publishing(town, two).run()
    # The same file at another operator is no other version.
    write(two / "tariff.yaml", {"replaces": 1, "tariff": DEARER, "from_date": _date("2026-12-10")})
    await publishing(town, two).run()
    write(two / "tariff.yaml", {"replaces": 2, "tariff": dict(TARIFF), "holidays": [_date("2026-12-25")]})
    await publishing(town, two).run()
    with pytest.raises(Stopped, match="set replaces: 3"):
        await publishing(town, one).run()
    configuration = (await town.operator.get_configuration()).configuration
    assert [tariff.schedules[0].bands[0].tou for tariff in configuration.tariffs] == [
        300_000,
        400_000,
        300_000,
    ]
    assert len(configuration.holidays) == 1


async def test_envelopes_are_published_once_and_never_over_newer_ones(tmp_path: Path) -> None:
    town = Town(tmp_path)
    await town.found(homes=2)
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    past = {**ENVELOPE, "from_local": "2026-11-01T00:00", "to_local": "2026-11-02T00:00"}
    write(
        one / "envelopes.yaml", {"envelopes": [past, ENVELOPE, {**ENVELOPE, "home": "h1", "import_w": 9_000}]}
    )
    with pytest.raises(Stopped, match="only the grid publishes envelopes"):
        await publishing(town, one, grid=False).run()
    for _ in range(2):
        await publishing(town, one).run()
    assert len(town.lines) == 2
    noon = MIDNIGHT_S // 60 + 720
    found = await town.operator.get_envelopes(noon, "h1")
    assert found.caps is not None
    assert (found.caps.import_wh, found.caps.export_wh) == (9_000, 3_000)
    await town.reach(town.now_s + 60)
    write(two / "envelopes.yaml", {"envelopes": [{**ENVELOPE, "export_w": 5_000}]})
    with pytest.raises(Stopped, match=r"stands for (all homes|h1)"):
        await publishing(town, two).run()
    write(
        two / "envelopes.yaml",
        {"replaces_published_s": MIDNIGHT_S, "envelopes": [{**ENVELOPE, "export_w": 5_000}]},
    )
    await publishing(town, two).run()
    with pytest.raises(Stopped, match=f"one of {town.now_s} stands for all homes"):
        await publishing(town, one).run()


async def test_mistakes_stop_the_start_and_are_told_later(tmp_path: Path) -> None:
    town = Town(tmp_path)
    await town.found(homes=1)
    file = tmp_path / "tariff.yaml"
    file.write_text("replaces: 1\ntarif: {}\n")
    with pytest.raises(UsageError, match=r"tariff\.yaml:2: unknown key tarif; did you mean tariff\?"):
        await publishing(town, tmp_path).run()
    file.unlink()
    running = publishing(town, tmp_path)
    await running.run()
    file.write_text("replaces: one\n")
    await running.run()
    assert ["tariff.yaml:1: replaces: takes a whole number" in line for line in town.alarms] == [True]
    with pytest.raises(UsageError, match="takes a local time"):
        read_envelopes_file(write(tmp_path / "e.yaml", {"envelopes": [{**ENVELOPE, "to_local": "noon"}]}))
    with pytest.raises(UsageError, match="cannot be read"):
        read_tariff_file(tmp_path)


def test_local_times_follow_the_offsets() -> None:
    offsets = ((0, 600), (MIDNIGHT_S, 660))
    assert local_minute("2026-12-02T23:00", offsets) == MIDNIGHT_S // 60 - 60
    assert local_minute("2026-12-03T12:00", offsets) == MIDNIGHT_S // 60 + 660


def _date(text: str) -> object:
    return yaml.safe_load(text)
