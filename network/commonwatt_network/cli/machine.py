# SPDX-License-Identifier: Apache-2.0
"""The verbs `commonwatt doctor`, on what this machine can run, and `commonwatt fabric`, for Fabric's programs."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer
from commonwatt_client.command_line import JsonOption
from rich.markup import escape

from commonwatt_network.cli.options import DirectoryOption, news, out, print_json
from commonwatt_network.model.layout import default_directory


def doctor(
    directory: DirectoryOption = None,
    deep: Annotated[
        bool,
        typer.Option(
            help="Check every byte of the embedded network's ledgers too, and count the private values that running"
            " peers lack; the network may run meanwhile."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what this machine can run and what is missing, one line each with the fix."""
    from commonwatt_network.doctor import examine, examine_ledgers, examine_private

    folder = (directory or default_directory()).absolute()
    findings = [*examine(folder), *(examine_ledgers(folder) + examine_private(folder) if deep else ())]
    if as_json:
        print_json({"findings": [asdict(finding) for finding in findings]})
    for finding in () if as_json else findings:
        mark = "[green]✓[/]" if finding.good else "[red]✗[/]" if finding.needed else "[yellow]-[/]"
        out.print(f"{mark} {finding.what:18s} {escape(finding.says)}")
    if any(finding.needed and not finding.good for finding in findings):
        raise typer.Exit(1)


def fabric(
    version: Annotated[str, typer.Option(envvar="FABRIC_VERSION", help="The release to install.")] = "",
    mirror: Annotated[
        str, typer.Option(envvar="FABRIC_MIRROR", help="A mirror of the project's releases: its URL.")
    ] = "",
    archive: Annotated[
        str, typer.Option(envvar="FABRIC_ARCHIVE", help="The archive itself: a file or a URL.")
    ] = "",
    sha256: Annotated[
        str, typer.Option(envvar="FABRIC_SHA256", help="Its SHA-256; default: the one published with it.")
    ] = "",
    directory: DirectoryOption = None,
) -> None:
    """Download Hyperledger Fabric's programs for this machine, check and unpack them."""
    from rich.progress import DownloadColumn, Progress

    from commonwatt_network.programs.fabric_archive import VERSION, Source, install_fabric, release_source

    digest = sha256 or None
    source = (
        Source(archive, digest) if archive else release_source(version or VERSION, mirror or None, digest)
    )
    with Progress(*Progress.get_default_columns(), DownloadColumn(), console=out, transient=True) as bar:
        task = bar.add_task("Fabric", total=None)

        def show(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total)

        programs = asyncio.run(install_fabric((directory or default_directory()).absolute(), source, show))
    news(
        f"Hyperledger Fabric {programs.version_text} is in {programs.peer.parent}; "
        "use it with COMMONWATT_BACKEND=native"
    )
