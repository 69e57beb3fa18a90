# SPDX-License-Identifier: Apache-2.0
"""`commonwatt caliper`."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from commonwatt_client.command_line import NetworkOption
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.network_file import find_network, read_network_file
from commonwatt_client.verbosity import say

from commonwatt_loadgen.throughput.caliper import (
    BENCHMARK_FILE,
    NETWORK_FILE,
    CaliperRound,
    write_caliper_workspace,
)


def caliper_command(
    transactions: Annotated[int, typer.Option(help="How many Caliper is to send.")] = 1500,
    rate: Annotated[float, typer.Option(help="Open loop: transactions per second.")] = 50.0,
    in_flight: Annotated[int, typer.Option(help="Closed loop: so many at once; 0: open loop.")] = 0,
    workers: Annotated[int, typer.Option(help="Caliper's worker processes.")] = 1,
    out: Annotated[Path, typer.Option(help="The workspace folder.")] = Path("out/caliper"),
    network_file: NetworkOption = None,
) -> None:
    """Write a Hyperledger Caliper workspace that sends what `commonwatt load` sends."""
    settings = CaliperRound(transactions, workers, rate, in_flight)
    settings.check()
    network = read_network_file(find_network(network_file))
    from commonwatt_loadgen.throughput.prepare import prepare_workload  # numpy is slow to load

    workload = asyncio.run(prepare_workload(network, network.communities[0], transactions))
    try:
        write_caliper_workspace(out, network, workload, settings)
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}; name another with --out") from error
    say(
        f"workspace: {out}\nrun it where @hyperledger/caliper-cli and @hyperledger/fabric-gateway are installed:\n"
        f"npx caliper launch manager --caliper-workspace {out} --caliper-networkconfig {NETWORK_FILE} "
        f"--caliper-benchconfig {BENCHMARK_FILE} --caliper-flow-only-test"
    )
