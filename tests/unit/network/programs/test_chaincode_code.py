# SPDX-License-Identifier: Apache-2.0
"""Which files are a chaincode's code, and that a change of one under the same version is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.topology import Topology, default_topology
from commonwatt_network.model.topology_chaincode import Chaincode
from commonwatt_network.programs.chaincode_code import (
    code_of,
    note_code,
    read_code,
    refuse_changed_code,
    require_programs,
)

FILES = {
    "assets.py": "import os\nimport rules.prices\nfrom shapes import square\n",
    "rules/__init__.py": "",
    "rules/prices.py": "PRICE = 1\n",
    "shapes.py": "def square(): ...\n",
    "client.py": "import assets\n",
    "topology.yaml": "",
    "index.mjs": "import fs from 'node:fs';\nimport { a } from './lib/a.mjs';\n",
    "lib/a.mjs": "export { b as a } from '../lib/b';\n",
    "lib/b.js": "exports.b = 1;\n",
    "client.js": "require('./index')\n",
    "package.json": "{}",
    "node_modules/x/index.js": "",
    "main.go": "package main\n",
    "assets": "#!/bin/sh\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "code" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "code"


def with_assets(chaincode: Chaincode) -> Topology:
    base = default_topology(homes=1)
    channel = base.channels["newtown"].model_copy(update={"chaincodes": ["assets"]})
    return base.model_copy(update={"channels": {"newtown": channel}, "chaincodes": {"assets": chaincode}})


@pytest.mark.parametrize(
    ("program", "files"),
    [
        ({"module": "assets"}, {"assets.py", "rules/__init__.py", "rules/prices.py", "shapes.py"}),
        ({"command": "python -m rules"}, {"rules/__init__.py", "rules/prices.py"}),
        ({"command": "python3 shapes.py"}, {"shapes.py"}),
        ({"command": "node index.mjs {address}"}, {"index.mjs", "lib/a.mjs", "lib/b.js", "package.json"}),
        ({"command": "npm start"}, {"index.mjs", "lib/a.mjs", "lib/b.js", "client.js", "package.json"}),
        ({"command": "go run ."}, {"main.go"}),
        ({"command": "./assets --port {port}"}, {"assets"}),
        ({"command": "/bin/sh"}, set()),
    ],
)
def test_code_is_what_the_program_runs(program: dict[str, str], files: set[str], folder: Path) -> None:
    assert set(code_of(Chaincode(folder=folder, **program))) == files  # type: ignore[arg-type]


def test_the_market_of_this_kit_has_no_files_of_its_own() -> None:
    assert code_of(Chaincode()) == {}


def test_changed_code_is_refused_under_the_version_that_was_deployed(folder: Path, tmp_path: Path) -> None:
    layout, topology = Layout(tmp_path / "network"), with_assets(Chaincode(module="assets", folder=folder))
    refuse_changed_code(layout, topology)
    note_code(layout, topology)
    (folder / "client.py").write_text("changed\n")
    refuse_changed_code(layout, topology)
    (folder / "rules" / "prices.py").write_text("PRICE = 2\n")
    note_code(layout, topology)  # a later start: what was deployed stays noted
    with pytest.raises(
        UsageError, match=r"since version 1.0 was deployed \(rules/prices.py\); give it another version"
    ):
        refuse_changed_code(layout, topology)
    refuse_changed_code(layout, with_assets(Chaincode(module="assets", folder=folder, version="1.1")))
    note_code(layout, topology, anew={name: code_of(entry) for name, entry in topology.chaincodes.items()})
    refuse_changed_code(layout, topology)


def test_what_is_deployed_again_says_nothing_of_other_chaincodes(folder: Path, tmp_path: Path) -> None:
    layout, settings = Layout(tmp_path / "network"), Chaincode(module="assets", folder=folder)
    base = with_assets(settings)
    channels = {
        name: entry.model_copy(update={"chaincodes": ["assets", "other"]})
        for name, entry in base.channels.items()
    }
    topology = base.model_copy(
        update={"chaincodes": {"assets": settings, "other": settings}, "channels": channels}
    )
    note_code(layout, topology)
    (folder / "rules" / "prices.py").write_text("PRICE = 2\n")
    note_code(layout, topology, anew={"assets": code_of(settings)})
    with pytest.raises(UsageError, match="chaincode other: its code changed"):
        refuse_changed_code(layout, topology)


def test_a_damaged_note_is_named(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.code_file.parent.mkdir(parents=True)
    layout.code_file.write_text('{"assets": []}')
    with pytest.raises(UsageError, match="code.json cannot be read; delete it"):
        read_code(layout)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ({"command": "no-such-program --x"}, "its command no-such-program is no program on PATH"),
        ({"command": "./missing"}, "its command ./missing is no program in /"),
        ({"command": "./shapes.py"}, "its command ./shapes.py is no program in /"),  # it may not be executed
        ({"module": "no_such_module"}, "there is no Python module no_such_module in /"),
    ],
)
def test_a_program_that_is_not_there_is_named(program: dict[str, str], said: str, folder: Path) -> None:
    with pytest.raises(UsageError, match=said):
        require_programs(with_assets(Chaincode(folder=folder, **program)))  # type: ignore[arg-type]


def test_programs_that_are_there_pass(folder: Path) -> None:
    (folder / "assets").chmod(0o755)
    for program in ({"command": ["./assets"]}, {"command": ["sh"]}, {"module": "assets"}, {"module": "json"}):
        require_programs(with_assets(Chaincode(folder=folder, **program)))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="there is no folder"):
        require_programs(with_assets(Chaincode(folder=folder / "gone", module="assets")))
