# SPDX-License-Identifier: Apache-2.0
"""First keys of homes and meters that come as files."""

from __future__ import annotations

from pathlib import Path

import pytest
from commonwatt_client.exit_codes import UsageError
from commonwatt_community.founding.possessions import read_possessions, set_keys
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.signing_key import make_key
from commonwatt_loadgen.forward.setup import NumbersInMemory

from ....support.living_town import Town


async def test_files_bring_first_keys_of_homes_and_meters(tmp_path: Path) -> None:
    town = Town(tmp_path)
    await town.found(homes=1)
    await town.operator.register_homes([{"home": "h8", "home_class": "consumer"}])
    folder = tmp_path / "possession"
    with pytest.raises(UsageError, match="holds no file that ends in"):
        read_possessions(folder)
    folder.mkdir()
    for home, author in (("h8", "home"), ("h1", "meter"), ("h1", "home")):
        key = make_key(tmp_path / f"{home}-{author}.new.pem")
        speaker = Author(key, NumbersInMemory(), town.net, "newtown", home)
        (folder / f"{home}-{author}.possession").write_bytes(
            speaker.brings_key(key.public, 1, author) + b"\n"
        )
    refusals = await set_keys(town.operator, read_possessions(folder), town.lines.append)
    assert refusals == 1
    assert "key_taken" in town.lines[0]
    assert town.lines[1].endswith("the first key of meter h1 is set")
    assert town.lines[2].endswith("the first key of home h8 is set")
    (folder / "bid.possession").write_bytes(town.author("h1").request(30_000_000, 1, 1))
    with pytest.raises(UsageError, match="is no message of a home's or a meter's key"):
        read_possessions(folder)
    (folder / "bid.possession").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="shows possession"):
        read_possessions(folder)
