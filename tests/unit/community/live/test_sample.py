# SPDX-License-Identifier: Apache-2.0
"""The community of the demonstration, before it lives."""

import json
from pathlib import Path

import pytest
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.network_file import read_network_file
from commonwatt_community.founding.community_file import read_community_file
from commonwatt_community.founding.homes_file import read_homes
from commonwatt_community.live.sample import HOMES, sample_homes, write_community
from commonwatt_community.live.traces import USAGE_SCALE_PPM, trace_of, types_w
from commonwatt_community.meters.replay import read_trace
from commonwatt_loadgen.simulate.options import NSW_USAGE_SCALE_PPM
from commonwatt_loadgen.traces import default_types


def network_file(folder: Path, market: str = "forward", clock: str = "live") -> Path:
    users = {
        name: {"operator": {"attributes": {"role": role}}, "carrier": {"attributes": {"role": "carrier"}}}
        for name, role in (("newtown", "operator"), ("grid", "grid"))
    }
    content = {
        "name": "live",
        "backend": "embedded",
        "organizations": {
            name: {"mspid": f"{name.title()}MSP", "users": known, "peers": []}
            for name, known in users.items()
        },
        "channels": {
            "newtown": {
                "organizations": ["newtown", "grid"],
                "chaincodes": {"market": {}},
                "market": market,
                "clock": clock,
            }
        },
    }
    path = folder / "network.json"
    path.write_text(json.dumps(content))
    return path


def test_the_files_are_what_community_new_and_homes_add_take(tmp_path):
    network = read_network_file(network_file(tmp_path), homes=False)
    write_community(tmp_path / "community", network, "https://127.0.0.1:8443", Path("service.crt"))
    community = read_community_file(tmp_path / "community" / "community.yaml")
    assert (community.period_min, community.times.readings_due_s) == (1, 60)
    assert community.grid is not None
    assert (community.grid.organization, community.grid.user) == ("grid", "operator")
    homes = read_homes(tmp_path / "community" / "homes.csv")
    assert len(homes) == HOMES == 20
    assert sum(home.pv_w > 0 for home in homes) == 8
    assert sum(home.storage_wh > 0 for home in homes) == 4
    changed = (tmp_path / "community" / "homes.csv").read_text().replace("5000", "4000")
    (tmp_path / "community" / "homes.csv").write_text(changed)
    write_community(tmp_path / "community", network, "https://127.0.0.1:8443", Path("service.crt"))
    assert (tmp_path / "community" / "homes.csv").read_text() == changed, "a person's change stays"


@pytest.mark.parametrize(("market", "clock"), [("ex_post", "live"), ("forward", "simulated")])
def test_a_network_with_another_market_is_told_what_to_start(tmp_path, market, clock):
    network = read_network_file(network_file(tmp_path, market, clock), homes=False)
    with pytest.raises(
        UsageError, match="`commonwatt network up --topology live` starts a network that has one"
    ):
        write_community(tmp_path, network, "https://127.0.0.1:8443", Path("service.crt"))


def test_the_traces_are_those_of_the_load_generator():
    assert USAGE_SCALE_PPM == NSW_USAGE_SCALE_PPM
    types, known = types_w(), default_types(NSW_USAGE_SCALE_PPM)
    assert types.keys() == known.usage.keys() | known.generation.keys()
    for name, source in (known.usage | known.generation).items():
        scale = 1.684 if name.startswith("U") else 1
        hours = [source.energy_wh(60 * hour, 60 * hour + 60) for hour in range(24)]
        assert hours == pytest.approx([watts * scale for watts in types[name]], abs=0.51), name


def test_a_home_replays_its_types(tmp_path):
    home = sample_homes()[1]
    assert home.generation is not None
    assert home.battery == {"capacity_wh": 5_000, "power_w": 2_500}
    (tmp_path / "trace.csv").write_text(home.trace)
    trace = read_trace(tmp_path / "trace.csv")
    types = types_w()
    noon = types[home.usage][12] * 1.684 - types[home.generation][12]
    assert trace.net_w_at(12.5 * 3_600) == pytest.approx(noon, abs=0.2)
    assert trace.length_s == 86_400
    assert ",0.0" in trace_of(home.usage, None)
