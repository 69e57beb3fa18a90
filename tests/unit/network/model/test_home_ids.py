# SPDX-License-Identifier: Apache-2.0
"""The homes' ids: random for real homes, the same again where a topology states a seed, names on networks of old."""

from __future__ import annotations

import re
from pathlib import Path

from commonwatt_network.model.home_ids import home_id
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import settle
from commonwatt_network.model.roster import user_attributes
from commonwatt_network.model.topology import Topology, default_topology
from commonwatt_network.trust.identity import ensure_identities


def ids(topology: Topology, folder: Path, organization: str = "newtown") -> list[str]:
    """The ids in the certificates of an organisation's homes."""
    roster = ensure_identities(settle(topology, Layout(folder), 12_900))
    users = roster.users[organization].values()
    return [attributes["home.id"] for attributes in users if "home.id" in attributes]


def unseeded(homes: int = 3) -> Topology:
    return default_topology(homes=homes).model_copy(update={"home_seed": None})


def test_real_homes_get_ids_that_nobody_computes(tmp_path: Path) -> None:
    first, second = ids(unseeded(), tmp_path / "a"), ids(unseeded(), tmp_path / "b")
    assert not {*first} & {*second}
    assert all(re.fullmatch("[a-z2-7]{10}", each) for each in (*first, *second))
    assert ids(unseeded(), tmp_path / "a") == first, "a second start keeps them"
    assert ids(unseeded(5), tmp_path / "a")[:3] == first, "homes that come leave the others their ids"
    secret = Layout(tmp_path / "a").home_secret("newtown")
    assert secret.stat().st_mode & 0o777 == 0o600
    assert secret.read_text() != Layout(tmp_path / "b").home_secret("newtown").read_text()


def test_a_seed_repeats(tmp_path: Path) -> None:
    topology = default_topology(communities=2, homes=3)
    assert ids(topology, tmp_path / "a") == ids(topology, tmp_path / "b")
    assert not {*ids(topology, tmp_path / "a")} & {*ids(topology, tmp_path / "a", "glebe")}
    assert not Layout(tmp_path / "a").home_secret("newtown").exists()
    assert home_id("sample", "newtown", 1) != home_id("another", "newtown", 1)


def test_a_network_of_the_first_version_keeps_its_homes(tmp_path: Path) -> None:
    """Their names are their ids, on a ledger that knows no others."""
    nodes = settle(unseeded(), Layout(tmp_path), 12_900)
    ensure_identities(nodes)
    nodes.layout.home_secret("newtown").unlink()  # that version drew none
    ensure_identities(nodes)
    homes = user_attributes(nodes, "newtown")
    assert [homes[name]["home.id"] for name in ("home001", "home002")] == ["home001", "home002"]


def test_ids_of_a_large_organisation_differ() -> None:
    assert len({home_id("sample", "newtown", number) for number in range(1, 5001)}) == 5000
