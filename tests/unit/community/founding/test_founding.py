# SPDX-License-Identifier: Apache-2.0
"""A community founded from its file: mistakes with their line, repetitions that change nothing, bundles."""

from __future__ import annotations

import json
import stat
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import pytest
import yaml
from commonwatt_client.errors import ConfigurationError
from commonwatt_client.exit_codes import UsageError
from commonwatt_community.founding.adding import Added, HomeDiffers, add_homes, first_unopened, with_ids
from commonwatt_community.founding.bundles import Invited, bundle_of, write_bundle
from commonwatt_community.founding.codes import HOME, check_code, key_of, load_secret
from commonwatt_community.founding.community_file import json_schema, read_community_file
from commonwatt_community.founding.confirming import confirm, ready
from commonwatt_community.founding.folder import Folder, open_folder, require_secrets
from commonwatt_community.founding.homes_file import read_homes
from commonwatt_community.founding.new import AnotherCommunity, found
from commonwatt_community.market.refused import Refused

from ....support.living_town import TARIFF, TIMES, Town

COMMUNITY = {
    "name": "newtown",
    "channel": "newtown",
    "organization": "newtown",
    "clock": "simulated",
    "period_min": 30,
    "utc_offset_min": 600,
    "times": TIMES,
    "tariff": TARIFF,
}


def folder_with(path: Path, **changes: object) -> Folder:
    path.mkdir(exist_ok=True)
    (path / "community.yaml").write_text(yaml.safe_dump({**COMMUNITY, **changes}))
    return open_folder(path)


@pytest.fixture
async def founded(tmp_path: Path) -> tuple[Town, Folder]:
    town = Town(tmp_path)
    folder = folder_with(tmp_path / "newtown")
    await found(folder, "NewtownMSP", town.operator, town.lines.append)
    return town, folder


async def test_a_community_is_founded_once(founded: tuple[Town, Folder]) -> None:
    town, folder = founded
    assert [line.partition(" ")[0] for line in town.lines] == ["made", "made", "configured", "set"]
    for file in (folder.codes_key, folder.residents_key, folder.operator_key, folder.journal):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = {file: file.read_bytes() for file in folder.path.iterdir() if file.is_file()}
    await found(folder, "NewtownMSP", town.operator, town.lines.append)
    assert town.lines[-1] == "channel newtown is configured already, by these rules"
    assert before == {file: file.read_bytes() for file in folder.path.iterdir() if file.is_file()}
    standing = (await town.operator.get_configuration()).configuration
    assert (standing.version, standing.trust_homes, standing.rules[0].readings_by) == (1, True, "home")
    key = await town.operator.get_keys("operator", "NewtownMSP")
    assert len(key.versions) == 1


async def test_another_file_or_key_is_refused(founded: tuple[Town, Folder], tmp_path: Path) -> None:
    town, folder = founded
    other = folder_with(tmp_path / "newtown", pricing="uniform", period_min=15)
    with pytest.raises(
        AnotherCommunity, match=r"period_min is 30, not 15, pricing is mid_market, not uniform"
    ):
        await found(other, "NewtownMSP", town.operator, town.lines.append)
    folder_with(tmp_path / "newtown")
    folder.operator_key.unlink()
    with pytest.raises(AnotherCommunity, match="is not the operator's key"):
        await found(folder, "NewtownMSP", town.operator, town.lines.append)
    elsewhere = folder_with(tmp_path / "elsewhere")
    with pytest.raises(Refused, match="forbidden"):
        await found(elsewhere, "GridMSP", Town(tmp_path).grid, town.lines.append)


async def test_a_community_with_a_carbon_quota(tmp_path: Path) -> None:
    town = Town(tmp_path)
    quota = {
        "quota_g_per_day": 5_000,
        "price_uaud_per_kg": 100_000,
        "intensity": [[0, 10, 660], [10, 24, 300]],
    }
    folder = folder_with(tmp_path / "newtown", carbon=quota)
    for _ in range(2):
        await found(folder, "NewtownMSP", town.operator, town.lines.append)
    rules = (await town.operator.get_configuration()).configuration.rules[0]
    assert folder.community.carbon is not None
    assert rules.carbon == folder.community.carbon.rule()
    for other in (None, {**quota, "quota_g_per_day": 1}):
        changed = folder_with(tmp_path / "newtown", **({} if other is None else {"carbon": other}))
        with pytest.raises(AnotherCommunity, match="the first carbon quota is another one"):
            await found(changed, "NewtownMSP", town.operator, town.lines.append)
    with pytest.raises(UsageError, match=r"community.yaml:\d+: .*does not follow 10 h"):
        folder_with(tmp_path / "newtown", carbon={**quota, "intensity": [[0, 10, 660], [11, 24, 300]]})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pricng": "uniform"}, "unknown key pricng; did you mean pricing?"),
        ({"period_min": 7}, "period_min: takes 1, 5, 15, 30 or 60, not 7"),
        ({"utc_offset_min": "ten"}, "utc_offset_min: takes a whole number, not 'ten'"),
        ({"times": {"opens_before_s": 100}}, "opens_before_s: 100 is not above closes_before_s, 300"),
        ({"times": {"closes_before_s": 10}}, "closes_before_s: 10 is below"),
        ({"period_min": 1}, "period_min: 1 asks for clock_error_s <= 10, it is 30"),
        ({"tariff": {"schedules": []}}, "tariff.schedules: takes 1 or more entries, not 0"),
        ({"trust_homes": False, "clock": "live"}, "readings_by: home asks for trust_homes: true"),
        ({"keep_d": 100}, "keep_d: at least times.final_after_d + 31"),
        ({"key_delay_h": 0}, "key_delay_h: at least opens_before_s"),
        ({"name": "New Town"}, "'New Town' is not a valid name here: a name of a-z"),
        (
            {"service": {"url": "http://x", "certificate": "c"}},
            "is not a valid name here: an address such as https",
        ),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_line(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    with pytest.raises(UsageError) as refused:
        folder_with(tmp_path, **change)
    [line] = str(refused.value).splitlines()
    place, _, words = line.partition(": ")
    assert said in words
    number = int(place.removeprefix(str(tmp_path / "community.yaml:")))
    name = next(iter(change))
    text = (tmp_path / "community.yaml").read_text().splitlines()
    assert text[number - 1].lstrip().startswith((name, "schedules", "url")), (number, text[number - 1])


def test_bands_that_leave_a_gap_are_a_mistake_of_the_tariff(tmp_path: Path) -> None:
    tariff = json.loads(json.dumps(TARIFF))
    tariff["schedules"][0]["bands"][0]["to_min"] = 1_000
    with pytest.raises(UsageError, match=r"community.yaml:\d+: tariff: "):
        folder_with(tmp_path, tariff=tariff)


def test_the_schema_takes_what_the_file_takes() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(json.dumps(COMMUNITY)), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**json.loads(json.dumps(COMMUNITY)), "pricng": 1}, schema)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name a community's folder"):
        open_folder(tmp_path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_community_file(tmp_path)
    with pytest.raises(ConfigurationError, match="commonwatt community new"):
        require_secrets(folder_with(tmp_path))


def homes_of(folder: Folder, text: str) -> list[Added]:
    file = folder.path / "homes.csv"
    file.write_text(text)
    return with_ids(folder, file, read_homes(file))


def bundles(folder: Folder) -> Sequence[Path]:
    return sorted(folder.bundles.glob("*.json"))


async def test_homes_are_added_once_and_a_second_run_goes_on(founded: tuple[Town, Folder]) -> None:
    town, folder = founded
    text = "id,class,pv_w,e_mail\nh1,consumer,,a@example.org\n,prosumer,5000,\n"
    added = homes_of(folder, text)
    assert added[0].home == "h1"
    assert len(added[1].home) == 10
    await add_homes(folder, added, town.operator, town.lines.append, 86_400)
    assert [file.stem for file in bundles(folder)] == sorted(one.home for one in added)
    said = json.loads((folder.bundles / "h1.json").read_text())
    key = key_of(load_secret(folder.codes_key), HOME)
    assert check_code(key, said["code"], 0) == said["home"] == "h1"
    before = {file: file.read_text() for file in bundles(folder)}
    # A second run, with a line more, as after a crash in the middle.
    more = homes_of(folder, text + ",consumer,,\n")
    assert [one.home for one in more[:2]] == [one.home for one in added]
    await add_homes(folder, more, town.operator, town.lines.append, 86_400)
    assert len(await town.operator.list_homes()) == 3
    assert {file: file.read_text() for file in before} == before
    with pytest.raises(HomeDiffers, match=r"homes\.csv:3: this line became home"):
        homes_of(folder, text.replace("5000", "6000"))
    changed = homes_of(folder, text.replace("h1,consumer,", "h1,prosumer,7000"))
    with pytest.raises(HomeDiffers, match="home h1 is registered as consumer"):
        await add_homes(folder, changed, town.operator, town.lines.append, 86_400)


async def test_sharing_keys_are_set_together(tmp_path: Path) -> None:
    town = Town(tmp_path)
    folder = folder_with(tmp_path / "newtown", sharing="static")
    await found(folder, "NewtownMSP", town.operator, town.lines.append)
    first = homes_of(folder, "id,class,key_ppm\nh1,consumer,400000\nh2,consumer,\n")
    await add_homes(folder, first, town.operator, town.lines.append, 60)
    file = folder.path / "more.csv"
    file.write_text("id,class,key_ppm\nh3,consumer,600000\n")
    standing = await town.operator.get_sharing_keys(await first_unopened(town.operator))
    await add_homes(
        folder, with_ids(folder, file, read_homes(file, standing)), town.operator, town.lines.append, 60
    )
    assert await town.operator.get_sharing_keys(await first_unopened(town.operator)) == {
        "h1": 400_000,
        "h3": 600_000,
    }


async def test_the_grid_confirms_homes_that_have_a_key(founded: tuple[Town, Folder]) -> None:
    town, folder = founded
    added = homes_of(folder, "id,class\nh1,consumer\nh2,consumer\n")
    await add_homes(folder, added, town.operator, town.lines.append, 60)
    town.net = (await town.operator.get_configuration()).configuration.net
    assert await ready(town.operator, await town.operator.list_homes()) == []
    author = town.author("h1")
    await town.operator.set_key("home", "h1", author.brings_key(author.key.public, 1))
    assert await ready(town.operator, await town.operator.list_homes()) == ["h1"]
    await confirm(town.grid, ["h1", "h2"], town.lines.append)
    assert town.lines[-2].startswith("confirmed home h1: it takes part from period")
    assert town.lines[-1].startswith("home h2 waits: home h2 has no key")
    before = list(town.lines)
    await confirm(town.grid, ["h1"], town.lines.append)  # what somebody else has confirmed is no trouble
    assert town.lines == before
    with pytest.raises(Refused, match="forbidden"):
        await confirm(town.operator, ["h1"], town.lines.append)


def test_a_bundle_names_the_service_and_whom_to_trust_and_has_a_qr_code(tmp_path: Path) -> None:
    folder = folder_with(
        tmp_path, service={"url": "https://energy.example:8443", "certificate": "service.pem"}
    )
    folder.codes_key.write_bytes(b"s" * 32)
    folder.codes_key.chmod(0o600)
    invited = Invited("h1", "net", 1_000)
    with pytest.raises(ConfigurationError, match=r"service\.pem cannot be read"):
        bundle_of(folder, invited)
    (tmp_path / "service.pem").write_text("nothing")
    with pytest.raises(ConfigurationError, match="holds no certificate"):
        bundle_of(folder, invited)
    pem = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"
    (tmp_path / "service.pem").write_text(pem)
    file = write_bundle(folder, invited)
    said = json.loads(file.read_text())
    assert (said["service"], said["service_certificate"], said["author"]) == (
        "https://energy.example:8443",
        pem,
        "home",
    )
    picture = file.with_suffix(".png")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert {stat.S_IMODE(one.stat().st_mode) for one in (file, picture)} == {0o600}
