"""`commonwatt caliper`."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from commonwatt_client import ClientError

from commonwatt_loadgen.errors import UsageFault
from commonwatt_loadgen.network_file import default_path, read_network_file
from commonwatt_loadgen.simulate.calls import Refused
from commonwatt_loadgen.throughput.caliper import (
    BENCHMARK_FILE,
    NETWORK_FILE,
    CaliperRound,
    write_caliper_workspace,
)


def caliper_command(
    transactions: Annotated[int, typer.Option(help="how many Caliper is to send")] = 1500,
    rate: Annotated[float, typer.Option(help="open loop: transactions per second")] = 50.0,
    in_flight: Annotated[int, typer.Option(help="closed loop: so many at once; 0: open loop")] = 0,
    workers: Annotated[int, typer.Option(help="Caliper's worker processes")] = 1,
    out: Annotated[Path, typer.Option(help="the workspace folder")] = Path("out/caliper"),
    network_file: Annotated[
        Path | None, typer.Option(help="the network; default: that of the folder here")
    ] = None,
) -> None:
    """Write a Hyperledger Caliper workspace that sends what `commonwatt load` sends."""
    settings = CaliperRound(transactions, workers, rate, in_flight)
    try:
        settings.check()
        network = read_network_file(network_file or default_path())
        from commonwatt_loadgen.throughput.prepare import prepare_workload  # numpy is slow to load

        workload = asyncio.run(prepare_workload(network, network.communities[0], transactions))
        write_caliper_workspace(out, network, workload, settings)
    except UsageFault as fault:
        sys.stderr.write(f"commonwatt caliper: {fault}\n")
        raise typer.Exit(2) from fault
    except (ClientError, Refused, OSError) as error:
        sys.stderr.write(f"commonwatt caliper: {error}\n")
        raise typer.Exit(1) from error
    print(
        f"workspace: {out}\nrun it where @hyperledger/caliper-cli and @hyperledger/fabric-gateway are installed:\n"
        f"npx caliper launch manager --caliper-workspace {out} --caliper-networkconfig {NETWORK_FILE} "
        f"--caliper-benchconfig {BENCHMARK_FILE} --caliper-flow-only-test"
    )
