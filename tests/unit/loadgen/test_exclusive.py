# SPDX-License-Identifier: Apache-2.0
"""A simulation begins only where it can end: its report can be written, and nobody else trades for it."""

import os
import subprocess
import sys

import pytest
from commonwatt_client.exit_codes import UsageError
from commonwatt_loadgen.simulate.exclusive import only_simulation, require_writable

HOLDER = """
import sys, time
from pathlib import Path
from commonwatt_loadgen.simulate.exclusive import only_simulation
with only_simulation(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_folder_is_made_and_one_that_cannot_be_is_named(tmp_path):
    require_writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(
        UsageError, match=r"--out .*file/out: the report cannot be written there: Not a directory"
    ):
        require_writable(tmp_path / "file" / "out")
    if os.path.isdir("/proc/1"):
        with pytest.raises(UsageError, match="cannot be written there"):
            require_writable(type(tmp_path)("/proc/1/out"))


def test_a_second_simulation_on_a_network_is_refused_until_the_first_ends(tmp_path):
    network_file = tmp_path / "network.json"
    network_file.write_text("{}")
    command = [sys.executable, "-c", HOLDER, str(network_file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(UsageError, match="another simulation trades on this network"),
            only_simulation(network_file),
        ):
            pass
        holder.kill()
        holder.wait()
    with only_simulation(network_file):
        pass
