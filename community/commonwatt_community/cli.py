# SPDX-License-Identifier: Apache-2.0
"""The community's verbs: `hems HOME` is one prosumer's agent on the network that is up."""

import asyncio
import json
import math
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import grpc
import typer
from commonwatt_chaincode.market.parameters import Parameters, changed
from commonwatt_client import (
    EndorseError,
    GatewayError,
    ReconnectPolicy,
    RetryPolicy,
    Timeouts,
    connect_network_file,
)
from commonwatt_client.exit_codes import UsageError, run
from commonwatt_client.network_file import find_network, read_network_file
from commonwatt_client.retry import fate_is_unknown, is_away

from commonwatt_community.founding.cli import register as register_founding
from commonwatt_community.hems.agent import HomeAgent
from commonwatt_community.hems.energy import Silent
from commonwatt_community.hems.home import HomeSpec
from commonwatt_community.hems.latecomers import LATECOMER_PAUSE_S, LATECOMER_TRIES, MAY_BE_BEHIND
from commonwatt_community.hems.live import LiveHome
from commonwatt_community.hems.strategy import STRATEGIES
from commonwatt_community.plugins.cli import register as register_plugin

# A home waits for its peers as long as it takes: nobody is there to start it again.
_PATIENT = RetryPolicy(max_tries=10_000_000, longest_pause_s=2.0)
_FOREVER = ReconnectPolicy(longest_pause_s=2.0, max_outage_s=math.inf)
_TIMEOUTS = Timeouts(evaluate_s=10.0, endorse_s=10.0)  # a line can fall silent without being cut


class _Contract:
    """`HomeCalls` over the gateway, saying each offer and refusal on a line."""

    def __init__(self, contract: Any) -> None:
        self._contract = contract

    async def submit(self, transaction: str, argument: dict[str, Any]) -> dict[str, Any] | None:
        try:
            outcome = await self._past_latecomers(transaction, argument)
        except GatewayError as error:
            if isinstance(error, EndorseError) and error.chaincode_response is not None:
                print(f"round {argument['round']}: {error.chaincode_response.message}", flush=True)
                return None
            if is_away(error) or fate_is_unknown(error):
                print(f"round {argument['round']}: the network went away; the ledger will tell", flush=True)
                return None
            raise
        cents = argument["price_uaud_per_kwh"] / 10_000
        print(f"round {argument['round']}: {argument['energy_wh']} Wh at {cents:.2f} c/kWh", flush=True)
        return dict(json.loads(outcome.result))

    async def _past_latecomers(self, transaction: str, argument: dict[str, Any]) -> Any:
        """The outcome, once no endorser is behind the peer whose event the home answers."""
        for attempt in range(1, LATECOMER_TRIES):
            try:
                return await self._contract.submit(
                    transaction, arguments=(json.dumps(argument),), retry=_PATIENT
                )
            except EndorseError as error:
                refusal = error.chaincode_response
                if refusal is None or refusal.message.partition(": ")[0] not in MAY_BE_BEHIND:
                    raise
            await asyncio.sleep(LATECOMER_PAUSE_S * attempt)
        return await self._contract.submit(transaction, arguments=(json.dumps(argument),), retry=_PATIENT)

    async def evaluate(self, transaction: str, argument: dict[str, Any]) -> dict[str, Any]:
        while True:
            try:
                result = await self._contract.evaluate(
                    transaction, arguments=(json.dumps(argument),), retry=_PATIENT
                )
            except GatewayError as error:
                if error.status is not grpc.StatusCode.DEADLINE_EXCEEDED:
                    raise
            else:
                return dict(json.loads(result))


def hems_command(
    home: Annotated[str, typer.Argument(help="the home's user, as home001, or its id on the ledger")],
    strategy: Annotated[str, typer.Option(help="bidding strategy")] = "suggested",
    seed: Annotated[int, typer.Option(envvar="SEED", help="of the strategy's draws")] = 1,
    network_file: Annotated[
        str | None,
        typer.Option(
            "--network",
            "--network-file",
            envvar="COMMONWATT_NETWORK",
            help="the network to trade on: a name, or its file; default: that of the folder here",
        ),
    ] = None,
) -> None:
    """Sell a home's stored energy as requests are opened, until Ctrl-C; a lost connection is made again."""
    asyncio.run(_until_stopped(_sell(home, strategy, seed, find_network(network_file))))


async def _until_stopped(selling: Coroutine[Any, Any, None]) -> None:
    """End on SIGINT and SIGTERM, also where SIGINT was ignored from the start, as a script's shell does for `... &`."""
    task = asyncio.ensure_future(selling)
    for stop in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(stop, task.cancel)
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()


async def _sell(called: str, strategy: str, seed: int, path: Path) -> None:
    if strategy not in STRATEGIES:
        raise UsageError(f"--strategy {strategy}: is none of {', '.join(sorted(STRATEGIES))}")
    named = ((one, one.home_called(called)) for one in read_network_file(path).communities)
    found, home = next(((one, home) for one, home in named if home), (None, ""))
    if found is None:
        raise UsageError(f"{path}: no community has a home {called}")
    async with connect_network_file(
        path, found.organization, found.homes[home], timeouts=_TIMEOUTS
    ) as gateway:
        network = gateway.get_network(found.channel)
        contract = network.get_contract("market")
        calls = _Contract(contract)
        known = json.loads(  # at once or not at all: a network that is not up is said rather than waited for
            await contract.evaluate_transaction("get_home", json.dumps({"home": home}))
        )
        rules = changed(Parameters(), (await calls.evaluate("get_parameters", {}))["parameters"])
        prosumer = known["home_class"] == "prosumer"
        spec = HomeSpec(
            home,
            prosumer,
            "",
            "",
            Silent(),
            Silent(),
            known["pv_w"],
            known["storage_wh"],
            strategy,
            found.homes[home],
        )
        if not prosumer:
            raise UsageError(f"{called} is a consumer and has nothing to sell")
        async with network.chaincode_events("market", reconnect=_FOREVER) as events:
            print(f"{called} sells on {found.channel}", flush=True)
            await LiveHome(HomeAgent(spec, rules, seed), calls).follow(events)


def register(app: typer.Typer) -> None:
    """Add the verbs to `app`."""
    app.command("hems")(hems_command)
    register_plugin(app)


def main() -> None:
    """Run `commonwatt-community`, which has these verbs alone."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)
    app.callback()(lambda: None)
    register(app)
    run("commonwatt-community", app)
