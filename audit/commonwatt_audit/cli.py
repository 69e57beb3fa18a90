# SPDX-License-Identifier: Apache-2.0
"""The auditor's verbs: `verify` for a whole ledger, `clear`, `settle`, `bill` and `prices` for single cases."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from commonwatt_client.command_line import JsonOption, NetworkOption, give_examples, program
from commonwatt_client.exit_codes import UsageError, run
from commonwatt_client.network_file import find_network, read_network_file

from commonwatt_audit import schemas
from commonwatt_audit.bill_cases import billed
from commonwatt_audit.case_members import BadCase
from commonwatt_audit.cases import cleared, prices
from commonwatt_audit.forward_cases import settled

EXAMPLES = {
    "verify": "commonwatt verify\ncommonwatt verify --channel newtown --json",
    "clear": "commonwatt clear round.json\ncommonwatt clear --schema",
    "settle": "commonwatt settle period.json",
    "bill": "commonwatt bill day.json",
    "prices": "commonwatt prices case.json",
}

if TYPE_CHECKING:
    from commonwatt_audit.audit import Audit, Findings
    from commonwatt_audit.exchange.anchors import Compared
    from commonwatt_audit.forward.receipts import Judged


def verify_command(
    channel: Annotated[str, typer.Option(help="The channel; default: the first community's.")] = "",
    blocks: Annotated[
        Path | None, typer.Option(help="A folder of files *.block instead of a running network.")
    ] = None,
    user: Annotated[
        str, typer.Option(help="The user who reads the blocks; default: the market's operator.")
    ] = "",
    as_json: JsonOption = False,
    anchors: Annotated[
        str,
        typer.Option(
            help="The exchange's channel, or with --blocks a folder of its blocks: compare anchors."
        ),
    ] = "",
    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            help="Go on with each new block, as the grid; with --anchors attest settlements there.",
        ),
    ] = False,
    receipts: Annotated[
        Path | None,
        typer.Option(help="A home's journal: name carriers that broke or contradicted a receipt."),
    ] = None,
    network_file: NetworkOption = None,
) -> None:
    """Replay a channel from its blocks: hashes, signatures, every award, battery account and bill."""
    from commonwatt_audit.audit import Audit, FirstDifference
    from commonwatt_audit.exchange.anchors import compare_with
    from commonwatt_audit.forward.receipts import BLAMED
    from commonwatt_audit.journal import read_journal
    from commonwatt_audit.parallel import ParallelAudit
    from commonwatt_audit.source import blocks_of_files

    if follow:
        if blocks is not None or receipts is not None or as_json or user:
            raise UsageError("--follow takes --channel, --anchors and --network alone")
        _follow(channel, anchors, find_network(network_file))
        return
    audit = Audit(journal=read_journal(receipts) if receipts is not None else None)
    exchange = Audit() if anchors else None
    difference = ""
    try:
        if blocks is not None:
            for each, folder in ((exchange, Path(anchors)), (audit, blocks)):
                if each is not None:
                    with ParallelAudit(each) as parallel:
                        for block in blocks_of_files(folder):
                            parallel.check(block)
        else:
            network = find_network(network_file)
            if exchange is not None:
                asyncio.run(_check_all(exchange, anchors, user, network))
            asyncio.run(_check_all(audit, channel, user, network))
    except FirstDifference as error:
        difference = str(error)
    except OSError as error:
        raise UsageError(
            f"{error.filename or blocks}: {error.strerror}; name a folder that can be read"
        ) from error
    found = None
    if exchange is not None and not difference:
        found = compare_with(exchange, audit, anchors)
        difference = found.difference
    judged = None
    if receipts is not None and not difference:
        if audit.forward is None:
            raise UsageError(f"{receipts}: receipts are of a forward market, which this channel has not")
        judged = audit.receipts(0 if blocks is not None else int(time.time()))
    _print(audit, difference, as_json, judged, found)
    blamed = any(one.verdict in BLAMED for one in judged or ())
    raise typer.Exit(1 if difference or blamed else 0)


def _follow(channel: str, exchange: str, network_file: Path) -> None:
    """Print a line a block until a signal ends it, or a difference."""
    from commonwatt_audit.audit import FirstDifference
    from commonwatt_audit.following import follow

    network = read_network_file(network_file, homes=False)
    try:
        asyncio.run(follow(network, channel or next(iter(network.readers()), ""), exchange, typer.echo))
    except FirstDifference as error:
        typer.echo(f"first difference: {error}")
        raise typer.Exit(1) from error


async def _check_all(audit: Audit, channel: str, user: str, network_file: Path) -> None:
    from commonwatt_audit.parallel import ParallelAudit
    from commonwatt_audit.source import blocks_of_network, shown_blocks_of_network

    network = read_network_file(network_file, homes=False)
    readers = network.readers()
    chosen = channel or next(iter(readers), "")
    if chosen not in readers:
        where = f"a channel {chosen}; it has {', '.join(readers) or 'none'}" if chosen else "any channel"
        raise UsageError(f"{network_file} has no market on {where}")
    organization, reader = readers[chosen]
    source = network_file, chosen, organization, user or reader
    with ParallelAudit(audit) as parallel:
        if network.content["channels"].get(chosen, {}).get("market") == "forward":
            async for block, shown in shown_blocks_of_network(*source):
                parallel.check(block, shown)
        else:
            async for block in blocks_of_network(*source):
                parallel.check(block)


def _print(
    audit: Audit,
    difference: str,
    as_json: bool,
    judged: tuple[Judged, ...] | None = None,
    anchors: Compared | None = None,
) -> None:
    from commonwatt_audit.forward import receipts, report

    findings, forward = audit.findings, audit.forward
    if as_json:
        found = {
            "blocks": findings.blocks,
            "transactions": findings.transactions,
            "invalid": findings.invalid,
            "functions": dict(sorted(findings.functions.items())),
            "transactions_per_s": round(findings.transactions_per_s),
            "first_difference": difference or None,
            "openings": list(findings.openings.values()),
            "forward": None if forward is None else report.as_json(forward),
            "exchange": None if anchors is None else anchors.as_json(),
            "receipts": None if judged is None else [one.as_json() for one in judged],
        }
        typer.echo(json.dumps(found, indent=2))
        return
    typer.echo(
        f"{findings.blocks:,} blocks, {findings.transactions:,} transactions ({findings.invalid:,} invalid), "
        f"{findings.transactions_per_s:,.0f} transactions/s: {_recomputed(findings)} recomputed"
    )
    for sentence in report.sentences(forward) if forward else ():
        typer.echo(sentence)
    if anchors is not None:
        typer.echo(anchors.sentence())
    for sentence in receipts.sentences(judged) if judged is not None else ():
        typer.echo(sentence)
    for opening in findings.openings.values():
        typer.echo(f"others than operators read blocks, {opening}")
    typer.echo(f"first difference: {difference}" if difference else "all as the rules give it")


def _recomputed(findings: Findings) -> str:
    functions = findings.functions
    if functions["exchange:found"]:
        rounds, anchored = functions["exchange:clear_round"], functions["exchange:anchor"]
        return f"{rounds:,} rounds, {anchored:,} anchors, {functions['exchange:attest']:,} attestations"
    if functions["forward:configure"]:
        cleared, settled = functions["forward:clear_period"], functions["forward:settle_period"]
        return f"{cleared:,} clearings, {settled:,} settlements, {functions['forward:settle_day']:,} days of bills"
    readings = functions["settle_interval"] + functions["report_reading"]
    return (
        f"{functions['close_round']:,} awards, {readings:,} readings, {functions['settle_day']:,} settlements"
    )


File = Annotated[str, typer.Argument(help="A JSON file, or - for standard input.")]


def _schema_option(schema: Callable[[], Mapping[str, Any]]) -> Any:
    """`--schema`, which prints and ends before a file is asked for."""

    def show(wanted: bool) -> None:
        if wanted:
            typer.echo(json.dumps(schema(), indent=2))
            raise typer.Exit

    told = "Print the JSON Schema of a forward case, and of the result, and end."
    return typer.Option("--schema", callback=show, is_eager=True, help=told)


def clear_command(file: File, schema: Annotated[bool, _schema_option(schemas.clear_schema)] = False) -> None:
    """Match the bids of a round or a period given as JSON, and print who trades at which price; it deletes nothing."""
    _print_outcome(file, cleared)


def settle_command(
    file: File, schema: Annotated[bool, _schema_option(schemas.settle_schema)] = False
) -> None:
    """Settle one period of the forward market given as JSON and print its result."""
    _print_outcome(file, settled)


def bill_command(file: File, schema: Annotated[bool, _schema_option(schemas.bill_schema)] = False) -> None:
    """Bill one home's day of the forward market given as JSON; print the bill and its statement."""
    _print_outcome(file, billed)


def prices_command(file: File) -> None:
    """Print the suggested selling and buying price of a case given as JSON."""
    _print_outcome(file, prices)


def _print_outcome(file: str, rule: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        case = json.loads(text)
        if not isinstance(case, dict):
            raise BadCase("a case is one JSON object")
        typer.echo(json.dumps(rule(case), indent=2))
    except OSError as error:
        raise UsageError(
            f"{file}: {error.strerror}; give a readable JSON file, or - for standard input"
        ) from error
    except (ValueError, RecursionError, BadCase) as error:
        raise UsageError(f"{file}: {' '.join(str(error)[:300].split())}") from error


def register(app: typer.Typer) -> None:
    """Add the verbs to `app`."""
    app.command("verify")(verify_command)
    app.command("clear")(clear_command)
    app.command("settle")(settle_command)
    app.command("bill")(bill_command)
    app.command("prices")(prices_command)
    give_examples(app, EXAMPLES)


def main() -> None:
    """Run `commonwatt-audit`, which has these verbs alone."""
    app = program("Audit a Commonwatt market.")
    register(app)
    run("commonwatt-audit", app)
