# SPDX-License-Identifier: Apache-2.0
"""The verb `commonwatt chaincode deploy`: chaincode on a network that others made, each organisation for itself."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape

from commonwatt_network.cli.options import (
    DirectoryOption,
    NetworkOption,
    network_file_of,
    news,
    plain_news,
    printable,
)
from commonwatt_network.errors import NoNetworkError, UsageError
from commonwatt_network.model.forward_market import EX_POST, FORWARD, MARKET
from commonwatt_network.model.topology_chaincode import MARKET_MODULE

if TYPE_CHECKING:
    from commonwatt_client.admin import ChaincodeDefinition

    from commonwatt_network.connected.deploy import Deployment
    from commonwatt_network.connected.network import ConnectedNetwork


def chaincode_deploy(
    name: Annotated[str, typer.Argument(help="The chaincode, such as `market`.")],
    channel: Annotated[str, typer.Option(help="The channel; default: the only one.")] = "",
    version: Annotated[str, typer.Option(help="The chaincode's version.")] = "1.0",
    address: Annotated[str, typer.Option(help="HOST:PORT where your peers dial your chaincode server.")] = "",
    module: Annotated[str, typer.Option(help="The Python module that the server runs.")] = "",
    package: Annotated[
        Path | None, typer.Option(help="A package that another tool made, in place of --address.")
    ] = None,
    endorsement_policy: Annotated[
        str,
        typer.Option(
            "--endorsement-policy", help="In Fabric's syntax; default: the channel's, or what is in force."
        ),
    ] = "",
    collections: Annotated[
        Path | None, typer.Option(help="Private data: a file of Fabric's JSON; default: what is in force.")
    ] = None,
    init_required: Annotated[
        bool | None,
        typer.Option("--init-required/--no-init", help="Whether the first call of each version is an Init."),
    ] = None,
    all_my_peers: Annotated[
        bool,
        typer.Option(
            "--all-my-peers/--package-only",
            help="Install, approve and commit with all your peers; or write the package, and send nothing.",
        ),
    ] = True,
    peer: Annotated[list[str] | None, typer.Option(help="Install on these of your peers alone.")] = None,
    clock: Annotated[
        Literal["live", "simulated"],
        typer.Option(
            help="The clock of `market`: live for a community's trade, simulated for simulated days and load."
        ),
    ] = "simulated",
    market: Annotated[
        Literal["ex_post", "forward"] | None,
        typer.Option(
            help="Which market `market` runs, for good: forward sets its collection and endorsers; default: as in "
            "force, else ex_post."
        ),
    ] = None,
    open_channel: Annotated[
        bool,
        typer.Option(
            "--open-channel",
            help="Accept a live or forward market on a channel whose members read everything.",
        ),
    ] = False,
    user: Annotated[
        str, typer.Option("--as", help="Your administrator; default: the user with that role.")
    ] = "",
    network: NetworkOption = None,
    directory: DirectoryOption = None,
) -> None:
    """Deploy chaincode for your organisation: install, approve, and commit once enough organisations have approved."""
    from commonwatt_network.channels.deploy import forward_market
    from commonwatt_network.channels.readers import open_channel_warning
    from commonwatt_network.connected.deploy import channel_config, deploy, package_of, record
    from commonwatt_network.connected.network import is_connected, read_connected
    from commonwatt_network.connected.server import server_files
    from commonwatt_network.model.topology_parts import DEFAULT_CLOCK_ERROR_S
    from commonwatt_network.programs.chaincode_servers import CLOCK_VARIABLE

    file = network_file_of(directory, network)
    if not file.exists():
        raise NoNetworkError(file.parent)
    if not is_connected(file):
        raise UsageError(
            "chaincode deploy is for networks that others made; this kit deploys the chaincode of its own network from "
            "the topology, with `commonwatt apply`"
        )
    connected = read_connected(file)
    chosen = _channel(connected, channel)
    if (package is None) == (not address):
        raise UsageError("name --address HOST:PORT of your chaincode server, or --package FILE: one of them")
    if market and name != MARKET:
        raise UsageError(f"--market is for the chaincode {MARKET}, not for {name}")
    if market == FORWARD and (endorsement_policy or collections):
        raise UsageError("--market forward writes the endorsement policy and the collection; leave yours out")
    definition, kept = _definition(
        name,
        version=version,
        endorsement_policy=endorsement_policy or None,
        collections=str(collections) if collections else None,
        init_required=init_required,
    )
    run = f"python -m {module or (MARKET_MODULE if name == MARKET else 'YOUR_MODULE')}"
    if package is not None:
        made = package_of(package)
        plain_news(f"package {made.package_id} from {package}")
    else:
        checked = {CLOCK_VARIABLE: f"{chosen}={DEFAULT_CLOCK_ERROR_S}"} if clock == "live" else {}
        files = server_files(
            file.parent / "chaincode" / name, f"{name}_{version}", address, connected.mspid, checked
        )
        made = files.package
        plain_news(f"package {made.package_id} is in {files.package_file}")
        plain_news(f"start the server: set -a; . {shlex.quote(str(files.environment_file))}; set +a; {run}")
    if not all_my_peers:
        plain_news("nothing was sent; deploy with --all-my-peers")
        return
    own = connected.peers(connected.organization)
    unknown = sorted(set(peer or ()) - {each.name for each in own})
    if unknown:
        have = ", ".join(each.name for each in own)
        raise UsageError(f"{', '.join(unknown)}: no peer of {connected.organization}, which has {have}")
    administrator = user or connected.administrator()
    if name == MARKET and own:
        config = asyncio.run(channel_config(connected, chosen, administrator, own[0]))
        if warning := open_channel_warning(config, clock, market or EX_POST, allowed=open_channel):
            plain_news(f"note: {printable(warning)}")
        if market == FORWARD:
            definition, kept = _definition(
                name, version=version, init_required=init_required, **forward_market(config)
            )
    done = asyncio.run(
        deploy(
            connected,
            chosen,
            definition,
            made,
            user=administrator,
            peers=[each for each in own if not peer or each.name in peer],
            kept=kept,
            market=market,
        )
    )
    if done.in_force:
        record(connected, chosen, done.definition)
    _say(connected, chosen, done, _command(chosen, done.definition, kept, collections, market))


def _channel(network: ConnectedNetwork, channel: str) -> str:
    have = ", ".join(network.channels)
    if channel and channel not in network.channels:
        raise UsageError(f"{network.name} has no channel {channel}; it has {have}")
    if not channel and len(network.channels) != 1:
        raise UsageError(f"name the channel with --channel, one of {have}")
    return channel or next(iter(network.channels))


def _definition(name: str, **described: object) -> tuple[ChaincodeDefinition, frozenset[str]]:
    """The definition that the options describe, and the fields of which they say nothing. Raises UsageError."""
    from commonwatt_client.yaml_models import words_of
    from pydantic import ValidationError

    from commonwatt_network.channels.deploy import definition_of
    from commonwatt_network.model.topology_chaincode import Chaincode

    try:
        return definition_of(name, Chaincode.model_validate(described, context={"folder": "."}))
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).replace("_", "-") if first["loc"] else "the definition"
        raise UsageError(f"--{option}: {words_of(first)}") from error


def _command(
    channel: str,
    definition: ChaincodeDefinition,
    kept: frozenset[str],
    collections: Path | None,
    market: str | None,
) -> str:
    words = ["commonwatt", "chaincode", "deploy", definition.name, "--channel", channel]
    words += ["--version", definition.version, "--address", "HOST:PORT"]
    if market == FORWARD:
        words += ["--market", market]
    elif "endorsement_policy" not in kept:
        words += ["--endorsement-policy", definition.endorsement_policy]
    if collections:
        words += ["--collections", collections.name]
    if "init_required" not in kept:
        words.append("--init-required" if definition.init_required else "--no-init")
    return shlex.join(words)


def _say(network: ConnectedNetwork, channel: str, done: Deployment, command: str) -> None:
    definition = done.definition
    approvals, others = (", ".join(map(printable, each)) for each in (done.approvals, done.waits_for))
    what = f"{definition.name} {definition.version}, sequence {definition.sequence}"
    plain_news(
        f"installed on {', '.join(done.installed)}" if done.installed else "installed already on your peers"
    )
    plain_news(f"{'approved' if done.approved else 'approved already'} for {network.mspid}: {what}")
    if done.in_force:
        how = "committed" if done.committed else "in force already"
        news(f"[bold green]{how}[/] on {channel}: {what}; approved by {escape(approvals)}")
        return
    plain_news(
        f"{what} waits: {approvals} approved, and the channel asks for {done.needed} organisations. "
        f"{others} have not approved; each runs, with its own --network:\n  {command}\n"
        f"Run your own command again afterwards: the network file then knows that {definition.name} is in force."
    )
