# SPDX-License-Identifier: Apache-2.0
"""The verbs `commonwatt submit` and `commonwatt evaluate`: any transaction of any chaincode of the network."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from commonwatt_client.command_line import JsonOption
from commonwatt_client.verbosity import verbose

from commonwatt_network.cli.options import (
    DirectoryOption,
    NetworkOption,
    TransientOption,
    network_file_of,
    print_json,
    transient_data,
)
from commonwatt_network.errors import UsageError

ChannelArgument = Annotated[str, typer.Argument(help="The channel's name.")]
ChaincodeArgument = Annotated[str, typer.Argument(help="The chaincode's name.")]
FunctionArgument = Annotated[
    str, typer.Argument(help="The transaction function; with its contract's name, CONTRACT:FUNCTION.")
]
ArgumentsArgument = Annotated[
    list[str] | None, typer.Argument(help="Its arguments; put -- before them where one begins with -.")
]
UserOption = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="USER",
        help="A user, or ORGANISATION/USER; default: the operator, or first user, of the channel's first organisation.",
    ),
]
CollectionOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Only organisations of this private data collection endorse."),
]
EndorsingOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAMES", help="The organisations, or MSP ids, that endorse; default: as policies ask."
    ),
]


def submit(
    channel: ChannelArgument,
    chaincode: ChaincodeArgument,
    function: FunctionArgument,
    arguments: ArgumentsArgument = None,
    user: UserOption = None,
    transient: TransientOption = None,
    collection: CollectionOption = None,
    endorsing_organizations: EndorsingOption = None,
    as_json: JsonOption = False,
    network: NetworkOption = None,
    directory: DirectoryOption = None,
) -> None:
    """Submit a transaction of a chaincode, and print its result once it is committed."""
    _transact(
        network_file_of(directory, network),
        (channel, chaincode, function, *(arguments or ())),
        user,
        transient or (),
        collection or (),
        endorsing_organizations or (),
        submit=True,
        as_json=as_json,
    )


def evaluate(
    channel: ChannelArgument,
    chaincode: ChaincodeArgument,
    function: FunctionArgument,
    arguments: ArgumentsArgument = None,
    user: UserOption = None,
    transient: TransientOption = None,
    collection: CollectionOption = None,
    endorsing_organizations: EndorsingOption = None,
    as_json: JsonOption = False,
    network: NetworkOption = None,
    directory: DirectoryOption = None,
) -> None:
    """Ask one peer for a transaction's result, and print it; write nothing."""
    _transact(
        network_file_of(directory, network),
        (channel, chaincode, function, *(arguments or ())),
        user,
        transient or (),
        collection or (),
        endorsing_organizations or (),
        submit=False,
        as_json=as_json,
    )


def _transact(
    path: Path,
    words: Sequence[str],
    user: str | None,
    transient: Sequence[str],
    collections: Sequence[str],
    endorsers: Sequence[str],
    *,
    submit: bool,
    as_json: bool,
) -> None:
    from commonwatt_network.transact import Call, laid_out, transact

    if collections and endorsers:
        raise UsageError("--collection and --endorsing-organizations both say who endorses; give one of them")
    channel, chaincode, function, *arguments = words
    private = transient_data(transient)
    call = Call(channel, chaincode, function, arguments, private, collections, endorsers)
    answer = asyncio.run(transact(path, call, user, submit=submit))
    if verbose():
        if answer.transaction_id is not None:
            became = f"VALID in block {answer.block_number}, transaction {answer.transaction_id}"
        else:
            became = "evaluated, nothing was written"
        typer.echo(f"{became}, as {answer.caller}", err=True)
    if as_json:
        print_json(answer.to_json())
        return
    try:
        text = answer.result.decode()
    except UnicodeDecodeError:
        sys.stdout.buffer.write(answer.result)
        return
    if text:
        typer.echo(laid_out(text) or text)
