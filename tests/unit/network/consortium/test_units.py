# SPDX-License-Identifier: Apache-2.0
"""systemd's units of an organisation: what systemd itself says of them."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from commonwatt_network.consortium import units
from commonwatt_network.consortium.host import OwnHost, init_host
from commonwatt_network.consortium.organization import OrganizationDescription
from commonwatt_network.consortium.units import (
    refuse_under_systemd,
    under_systemd,
    units_of,
    word,
    write_units,
)
from commonwatt_network.errors import UsageError
from commonwatt_network.programs.processes import FOLDER_VARIABLE, NAME_VARIABLE

from tests.support.fabric import require_backend

USER = pwd.getpwuid(os.geteuid()).pw_name
EXPOSURE, RENEWAL = (
    20,
    30,
)  # of 100, as `systemd-analyze security` counts: the less the better; below 50 is "OK"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OwnHost:
    require_backend("native")
    monkeypatch.setattr(units, "PRIVATE", ())  # tests' folders lie in /tmp
    description = OrganizationDescription.model_validate(
        {
            "name": "newtown",
            "orderers": [{"host": "orderer.newtown.example"}],
            "peers": [{"host": "peer.newtown.example"}],
        }
    )
    return init_host(description, tmp_path / "a folder with 100% blanks")


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not on PATH")
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=60)


def test_systemd_finds_nothing_wrong(host: OwnHost, tmp_path: Path) -> None:
    written = write_units(host, tmp_path / "units")
    assert [path.name for path in written] == [
        "commonwatt-newtown.target",
        "commonwatt-newtown-orderer0.newtown.service",
        "commonwatt-newtown-peer0.newtown.service",
        "commonwatt-newtown-market.newtown.service",
        "commonwatt-newtown-renew.service",
        "commonwatt-newtown-renew.timer",
    ]
    done = analyze("verify", "--man=no", *map(str, written))
    said = [line for line in done.stderr.splitlines() if "commonwatt-" in line]
    assert said == []
    assert done.returncode == 0, done.stderr
    write_units(host, tmp_path / "units")  # again, over its own
    (tmp_path / "units" / "nginx.service").touch()
    with pytest.raises(UsageError, match=r"nginx\.service"):
        write_units(host, tmp_path / "units")


def test_units_are_hardened(host: OwnHost, tmp_path: Path) -> None:
    for path in write_units(host, tmp_path / "units"):
        if path.suffix == ".service":
            most = RENEWAL if path.stem.endswith("-renew") else EXPOSURE  # it signals and starts processes
            done = analyze("security", "--offline=true", f"--threshold={most}", "--no-pager", str(path))
            assert done.returncode == 0, done.stdout[-400:]


def test_a_unit_runs_what_org_start_runs_under_the_same_marks(host: OwnHost, tmp_path: Path) -> None:
    units = {name: file.content.decode() for name, file in units_of(host, USER).items()}
    peer = units["commonwatt-newtown-peer0.newtown.service"]
    assert f'Environment="{NAME_VARIABLE}=peer0.newtown"' in peer
    assert f'Environment="{FOLDER_VARIABLE}={word(str(host.layout.directory))[1:-1]}"' in peer
    assert re.search(r'^ExecStart=".*/peer" "node" "start"$', peer, re.MULTILINE)
    assert "Restart=always" in peer
    # A node writes its own ledger and the logs: not its keys, nor another's ledger.
    writes = re.findall(r'^ReadWritePaths="(.*)"$', peer, re.MULTILINE)
    assert [json.loads(f'"{path}"').replace("%%", "%") for path in writes] == [
        str(host.layout.ledgers / "peer0.newtown"),
        str(host.layout.logs),
    ]
    assert "org" in units["commonwatt-newtown-renew.service"]
    assert "Persistent=true" in units["commonwatt-newtown-renew.timer"]
    with pytest.raises(UsageError, match="no user nobody-here"):
        units_of(host, "nobody-here")


def test_what_changes_with_the_package_is_no_part_of_the_unit(host: OwnHost) -> None:
    unit = units_of(host, USER)["commonwatt-newtown-market.newtown.service"].content.decode()
    assert host.package.package_id not in unit
    [path] = re.findall(r"^EnvironmentFile=(.*)$", unit, re.MULTILINE)
    assert (
        f'CHAINCODE_ID="{host.package.package_id}"' in Path(path.replace("%%", "%")).read_text().splitlines()
    )


def test_a_folder_that_no_unit_would_see_and_keys_that_none_may_see(
    host: OwnHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = units_of(host, USER)["commonwatt-newtown-peer0.newtown.service"].content.decode()
    hidden = [
        json.loads(f'"{path}"') for path in re.findall(r'^InaccessiblePaths="-(.*)"$', peer, re.MULTILINE)
    ]
    own = host.layout.organization("newtown")
    assert [path.replace("%%", "%") for path in hidden] == [
        *(str(own / kind / name) for kind in ("ca", "tlsca") for name in ("ca.key", "former.key")),
        str(own / "users"),
    ]
    monkeypatch.setattr(units, "PRIVATE", (str(tmp_path),))
    with pytest.raises(UsageError, match="lie elsewhere, such as in /srv"):
        write_units(host, tmp_path / "units")


def test_what_systemd_runs_is_not_stopped_here(host: OwnHost) -> None:
    refuse_under_systemd(host)
    marks = {FOLDER_VARIABLE: str(host.layout.directory), NAME_VARIABLE: "peer0.newtown"}
    systemds = {"INVOCATION_ID": "1", "SYSTEMD_EXEC_PID": "2"}
    with subprocess.Popen(["sleep", "60"], env={**os.environ, **marks, **systemds}) as unit:
        try:
            with pytest.raises(UsageError, match=r"systemctl stop 'commonwatt-newtown\*'"):
                refuse_under_systemd(host)
        finally:
            unit.kill()


def test_words_are_neither_split_nor_expanded() -> None:
    assert word('a "b" $HOME 100% \\') == '"a \\"b\\" $$HOME 100%% \\\\"'
    assert under_systemd({"INVOCATION_ID": "1", "SYSTEMD_EXEC_PID": "2"})
    assert not under_systemd({"INVOCATION_ID": "1"})  # a shell that a user's session started
