# SPDX-License-Identifier: Apache-2.0
"""Homes that enrol with codes: one that is good sets the first key once, all others are refused in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from commonwatt_community.founding.codes import HOME, RESIDENT, key_of, new_code
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.signing_key import make_key
from commonwatt_community.operating.enrolling import Enrolling, FolderOfEnrolments
from commonwatt_loadgen.forward.setup import NumbersInMemory

from ....support.living_town import Town

SECRET = b"s" * 32
NOW_S = 1_000


def request(town: Town, home: str, code: str, key: str = "") -> dict[str, str]:
    author = Author(
        make_key(town.folder / f"{key or home}.new.pem"), NumbersInMemory(), town.net, "newtown", home
    )
    return {"code": code, "possession": author.brings_key(author.key.public, 1).decode()}


def place(folder: Path, name: str, content: Any) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))


def answers(folder: Path) -> dict[str, tuple[str, str]]:
    found = {}
    for file in folder.glob("*.result.json"):
        said = json.loads(file.read_text())
        found[file.name.removesuffix(".result.json")] = (said["state"], said["reason"])
    return found


async def test_a_home_enrols_and_the_grid_confirms_it(tmp_path: Path) -> None:
    town = Town(tmp_path)
    await town.found(homes=1)
    await town.operator.register_homes(
        [{"home": home, "home_class": "consumer"} for home in ("h7", "h8", "h9")]
    )
    folder = tmp_path / "enrolments"
    telling = town.telling()
    key = key_of(SECRET, HOME)
    enrolling = Enrolling(
        town.ledger(), [FolderOfEnrolments(folder)], key, town.grid, telling, clock=lambda: NOW_S
    )
    await enrolling.run()
    good = new_code(key, "h7", NOW_S + 100)
    place(folder, "good", request(town, "h7", good))
    place(folder, "expired", request(town, "h8", new_code(key, "h8", NOW_S)))
    place(folder, "forged", request(town, "h8", good.replace("h7", "h8"), "forged"))
    resident = new_code(key_of(SECRET, RESIDENT), "h8", NOW_S + 100, RESIDENT)
    place(folder, "resident", request(town, "h8", resident, "resident"))
    place(folder, "others", request(town, "h9", new_code(key, "h8", NOW_S + 100)))
    place(folder, "text", "no JSON")
    place(folder, "deep", "[" * 100_000)
    place(folder, "list", ["code"])
    place(folder, "large", {"code": "x" * 20_000, "possession": ""})
    place(folder, "nothing", {"code": new_code(key, "h8", NOW_S + 100), "possession": "é"})
    await enrolling.run()
    found = answers(folder)
    assert {name: state for name, (state, _) in found.items()} == {
        "good": "set",
        **dict.fromkeys(
            ("expired", "forged", "resident", "others", "text", "deep", "list", "large", "nothing"), "refused"
        ),
    }
    assert "has expired" in found["expired"][1]
    assert "made no such code" in found["forged"][1]
    assert (await town.operator.get_home("h7")).versions != ()
    assert (await town.operator.get_home("h8")).versions == ()
    assert "home h7 is enrolled: its first key is set" in town.lines
    assert telling.counts["steps", "set_key"] == 1
    # Another operator that was a moment later finds the same request done, and says so.
    (folder / "good.result.json").unlink()
    await enrolling.run()
    assert answers(folder)["good"][0] == "set"
    place(folder, "again", request(town, "h7", good, "thief"))
    await enrolling.run()
    assert answers(folder)["again"][0] == "refused"
    assert "key_taken" in answers(folder)["again"][1]


async def test_what_passes_leaves_the_request_waiting(tmp_path: Path) -> None:
    """A clock that is off, or a peer behind, is no reason to refuse a home for good."""
    town = Town(tmp_path)
    await town.found(homes=1)
    await town.operator.register_homes([{"home": "h7", "home_class": "consumer"}])
    folder = tmp_path / "enrolments"
    key = key_of(SECRET, HOME)
    place(folder, "late", request(town, "h7", new_code(key, "h7", NOW_S + 100)))

    class Off:
        def __getattr__(self, name: str) -> Any:
            from commonwatt_community.market.refused import Refused

            async def refuse(*_: Any, **__: Any) -> Any:
                raise Refused("clock_differs", "the proposal is dated otherwise", name)

            return refuse if name == "set_key" else getattr(town.operator, name)

    import pytest
    from commonwatt_community.market.refused import Refused

    off = Enrolling(
        town.ledger(Off()),
        [FolderOfEnrolments(folder)],
        key,
        None,
        town.telling(),
        lambda: NOW_S,  # type: ignore[arg-type]
    )
    with pytest.raises(Refused, match="clock_differs"):
        await off.run()
    assert answers(folder) == {}
    await Enrolling(
        town.ledger(), [FolderOfEnrolments(folder)], key, None, town.telling(), lambda: NOW_S
    ).run()
    assert answers(folder)["late"][0] == "set"
