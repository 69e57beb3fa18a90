# SPDX-License-Identifier: Apache-2.0
"""The verb `commonwatt connect`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from commonwatt_network.cli.options import DirectoryOption, news, plain, plain_news, printable
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import default_directory


def connect(
    profile: Annotated[Path, typer.Argument(help="A connection profile, YAML or JSON.")],
    identity: Annotated[Path, typer.Option(help="Your certificate (PEM).")],
    key: Annotated[Path, typer.Option(help="Its private key (PEM), which stays where it is.")],
    msp: Annotated[str, typer.Option(help="Your organisation's MSP id; default: as the profile says.")] = "",
    name: Annotated[
        str | None, typer.Option(help="Keep the network by this name in your configuration folder.")
    ] = None,
    users: Annotated[
        Path | None, typer.Option(help="A folder with a folder of each further user, as cryptogen writes it.")
    ] = None,
    operations: Annotated[
        list[str] | None, typer.Option(help="NODE=HOST:PORT where a node serves metrics; once for each node.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Write the network's file anew.")] = False,
    directory: DirectoryOption = None,
) -> None:
    """Connect to a network that others made: write its network file, for every verb that takes --network."""
    from commonwatt_network.connected.connect import connect_network, place_of
    from commonwatt_network.connected.identities import read_holder, read_users

    if not profile.is_file():
        raise UsageError(f"{profile} is no file; name a connection profile, YAML or JSON")
    file = place_of(name, directory or default_directory(), replace=replace)
    own = read_holder("", identity, key)
    others = read_users(users) if users else []
    for holder in (own, *others):
        if holder.readable_by_others:
            plain.print(
                f"warning: {holder.private_key} can be read by other users of this machine; `chmod 600` it"
            )
    found = asyncio.run(connect_network(profile, file, own, others, msp, _addresses(operations or ())))
    for note in found.survey.notes:
        plain_news(f"note: {note}")
    peers = found.survey.peers
    for channel, described in found.survey.channels.items():
        listed = (
            ", ".join(f"{each} {version}" for each, (version, _) in described.chaincodes.items()) or "none"
        )
        members = ", ".join(
            f"{printable(member)} ({sum(peer.mspid == member for peer in peers)} peers)"
            for member in described.organizations
        )
        plain_news(
            f"channel {channel}: {members}; chaincode {listed}; a block waits up to {described.batch_timeout_s:g} s"
        )
    plain_news(
        f"{len(found.survey.orderers)} orderers; {own.name} of {found.organization}, {len(others)} further users"
    )
    how = f"--network {name}" if name else "commands in this folder"
    news(f"[bold green]connected[/]: wrote {escape(str(file))}; use it with {how}")


def _addresses(given: tuple[str, ...] | list[str]) -> dict[str, str]:
    addresses = {}
    for entry in given:
        node, separator, address = entry.partition("=")
        host, _, port = address.rpartition(":")
        if not separator or not node or not host or not port.isdigit():
            raise UsageError(
                f"--operations {entry}: write NODE=HOST:PORT, such as peer0.org1.example.com=127.0.0.1:9444"
            )
        addresses[node] = address
    return addresses
