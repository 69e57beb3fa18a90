# SPDX-License-Identifier: Apache-2.0
"""The commands of a consortium as people mistype them: one line, exit code 2, and nothing changed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from commonwatt_network.cli import main as cli
from commonwatt_network.consortium.growth import refuse_other_content
from commonwatt_network.consortium.update import UpdateError
from fabric_protos.common import common_pb2

DESCRIPTION = """
name: {name}
orderers: [{{host: orderer.{name}.example}}]
peers: [{{host: peer.{name}.example}}]
"""


@dataclass(frozen=True)
class Result:
    returncode: int
    stdout: str
    stderr: str


class Typist:
    """Runs the command in this process; its network lies in `.commonwatt` of the folder."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.folder = folder
        self._monkeypatch, self._capsys = monkeypatch, capsys
        monkeypatch.chdir(folder)
        monkeypatch.delenv("COMMONWATT_DIRECTORY", raising=False)

    def run(self, *arguments: str) -> Result:
        self._monkeypatch.setattr(sys, "argv", ["commonwatt", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = self._capsys.readouterr()
        return Result(int(ended.value.code or 0), said.out, said.err)

    def refused(self, *arguments: str, code: int = 2) -> str:
        """The one line of a command that is refused with this exit code, no traceback."""
        result = self.run(*arguments)
        assert result.returncode == code, result
        lines = result.stderr.strip().splitlines()
        assert len(lines) == 1, result.stderr
        return lines[0]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typist:
    return Typist(tmp_path, monkeypatch, capsys)


@pytest.fixture
def organizations(shell: Typist) -> Callable[[str], Path]:
    """Makes an organisation in a folder of its own and exports its bundle."""

    def make(name: str) -> Path:
        description, bundle = shell.folder / f"{name}.yaml", shell.folder / f"{name}.json"
        description.write_text(DESCRIPTION.format(name=name))
        folder = str(shell.folder / name)
        for arguments in (("init", str(description)), ("export", str(bundle))):
            done = shell.run("org", *arguments, "--directory", folder)
            assert done.returncode == 0, done.stderr
        return Path(bundle)

    return make


def test_a_channel_is_made_once_from_good_bundles_only(
    shell: Typist, organizations: Callable[[str], Path]
) -> None:
    newtown, grid = organizations("newtown"), organizations("grid")
    output = shell.folder / "newtown.block"
    create = ("consortium", "create", "newtown", str(newtown), str(grid), "--out", str(output))

    content = json.loads(grid.read_text())
    content["orderers"][0]["tls_certificate"] = json.loads(newtown.read_text())["orderers"][0][
        "tls_certificate"
    ]
    foreign = shell.folder / "foreign.json"
    foreign.write_text(json.dumps(content))
    assert "is foreign" in shell.refused(*create[:4], str(foreign), *create[5:])
    assert "both claim the name newtown" in shell.refused(*create[:4], str(newtown), *create[5:])
    assert not output.exists()

    made = shell.run(*create)
    assert made.returncode == 0, made.stderr
    block = output.read_bytes()
    assert shell.run(*create).stdout == made.stdout
    assert "holds another channel's block" in shell.refused(*create, "--endorsement", "any")
    assert output.read_bytes() == block

    shown = shell.run("consortium", "show", str(output))
    assert shown.returncode == 0
    assert "GridMSP: orderers orderer.grid.example:7050" in shown.stdout
    assert "no mistakes found" in shown.stdout

    stranger = str(organizations("glebe").with_suffix(""))
    for arguments, code, why in (
        (("join", str(output)), 2, "GlebeMSP is not a member of channel newtown"),
        (("join", str(newtown)), 2, "no channel's first block"),
        (("install",), 3, "is not running; start it with `commonwatt org start`"),
        (("approve", "newtown"), 3, "is not running"),
    ):
        assert why in shell.refused("org", *arguments, "--directory", stranger, code=code)


def test_a_folder_that_is_not_there_yet_takes_every_bundle(
    shell: Typist, organizations: Callable[[str], Path]
) -> None:
    for name in ("newtown", "grid"):
        organizations(name)
        for _ in range(2):
            done = shell.run("org", "export", "exchange", "--directory", name)
            assert f"{name}'s bundle is in exchange/{name}.json" in done.stdout, done.stderr
    written = {path.name: path.read_text() for path in (shell.folder / "exchange").iterdir()}
    assert written == {
        f"{name}.json": (shell.folder / f"{name}.json").read_text() for name in ("newtown", "grid")
    }


def test_an_export_writes_over_nothing_but_its_own_bundle(
    shell: Typist, organizations: Callable[[str], Path]
) -> None:
    newtown, grid = organizations("newtown"), organizations("grid")
    letter = shell.folder / "letter.json"
    letter.write_text("{}")
    kept = {path: path.read_bytes() for path in (newtown, grid, letter)}
    for target, why in (
        (grid, "holds the bundle of grid; nothing was written"),
        (letter, "nothing was written over"),
        (shell.folder / "newtown.yaml", "newtown.yaml/newtown.json cannot be written"),
    ):
        assert why in shell.refused("org", "export", str(target), "--directory", "newtown")
    assert kept == {path: path.read_bytes() for path in kept}
    assert shell.run("org", "export", str(newtown), "--directory", "newtown").returncode == 0


def test_the_block_of_an_update_is_written_over_nothing_but_its_like(
    shell: Typist, organizations: Callable[[str], Path]
) -> None:
    bundles = [str(organizations(name)) for name in ("newtown", "grid")]
    first = shell.folder / "first.block"
    shell.run("consortium", "create", "newtown", *bundles, "--out", str(first))
    refuse_other_content(shell.folder / "new.block", "newtown")
    later = shell.folder / "later.block"
    block = common_pb2.Block.FromString(first.read_bytes())
    block.header.number = 5
    later.write_bytes(block.SerializeToString())
    refuse_other_content(later, "newtown")
    for path, channel in ((first, "newtown"), (later, "glebe"), (shell.folder / "grid.json", "newtown")):
        with pytest.raises(UpdateError, match="nothing was changed: name another file"):
            refuse_other_content(path, channel)


def test_an_organisation_is_made_before_anything_else(shell: Typist) -> None:
    for arguments in (("start",), ("export", "bundle.json"), ("status",), ("stop",)):
        assert "there is no organisation in" in shell.refused("org", *arguments, code=3)
    wrong = shell.folder / "organization.yaml"
    wrong.write_text("name: newtown\npeers: [{host: p.example, port: 7052}]\n")
    assert "share port 7052" in shell.refused("org", "init", str(wrong))
    assert list(shell.folder.iterdir()) == [wrong]


def test_nobody_is_told_to_delete_an_identity_that_others_know(
    shell: Typist, organizations: Callable[[str], Path]
) -> None:
    folder = organizations("newtown").with_suffix("")
    key = folder / "organizations" / "newtown" / "ca" / "ca.key"
    content = key.read_bytes()
    for arguments in (("network", "up"), ("network", "status"), ("network", "reset")):
        said = shell.refused(*arguments, "--directory", str(folder))
        assert "holds an organisation of a consortium" in said
        assert "network-reset" not in said
    assert key.read_bytes() == content
    description = str(shell.folder / "newtown.yaml")
    key.write_bytes(b"junk")
    said = shell.refused("org", "init", description, "--directory", str(folder))
    assert "back from a backup" in said
    assert "reset" not in said
    # A key that is not there may be elsewhere on purpose: what it has signed is good.
    key.unlink()
    assert shell.run("org", "init", description, "--directory", str(folder)).returncode == 0
    with Path(description).open("a") as file:
        file.write("homes: 1\n")
    said = shell.refused("org", "init", description, "--directory", str(folder))
    assert "put it back" in said
    assert "commonwatt org request" in said
    assert "reset" not in said
