# SPDX-License-Identifier: Apache-2.0
"""Every verb of this distribution, as the entry point `commonwatt.commands` adds them."""

from __future__ import annotations

import typer
from commonwatt_client.command_line import give_examples

from commonwatt_network.cli.chaincode import chaincode_app
from commonwatt_network.cli.change import apply, plan
from commonwatt_network.cli.connect import connect
from commonwatt_network.cli.consortium import consortium_app
from commonwatt_network.cli.examples import EXAMPLES
from commonwatt_network.cli.explain import explain_code
from commonwatt_network.cli.machine import doctor, fabric
from commonwatt_network.cli.network import network_app
from commonwatt_network.cli.organization import org_app
from commonwatt_network.cli.topology import topology_app
from commonwatt_network.cli.transact import evaluate, submit
from commonwatt_network.cli.watch import watch


def register(app: typer.Typer) -> None:
    """Add the network's verbs to `app`."""
    app.add_typer(network_app, name="network")
    app.add_typer(topology_app, name="topology")
    app.command("doctor")(doctor)
    app.command("fabric")(fabric)
    app.command("explain")(explain_code)
    app.command("watch")(watch)
    app.command("connect")(connect)
    app.command("submit")(submit)
    app.command("evaluate")(evaluate)
    app.add_typer(chaincode_app, name="chaincode")
    app.add_typer(org_app, name="org")
    app.add_typer(consortium_app, name="consortium")
    for group in (app, network_app):
        group.command("plan")(plan)
        group.command("apply")(apply)
    give_examples(app, EXAMPLES)
