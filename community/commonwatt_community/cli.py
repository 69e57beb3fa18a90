# SPDX-License-Identifier: Apache-2.0
"""The community's verbs, each from the part that does its work."""

import typer
from commonwatt_client.command_line import give_examples, program
from commonwatt_client.exit_codes import run

from commonwatt_community.founding import cli as founding
from commonwatt_community.home import cli as home
from commonwatt_community.live import cli as live
from commonwatt_community.operating import cli as operating
from commonwatt_community.plugins import cli as plugins
from commonwatt_community.region import cli as region
from commonwatt_community.service import cli as service
from commonwatt_community.statement import cli as statement

EXAMPLES = {
    "home new": "commonwatt home new --bundle home001.json\n"
    "commonwatt home new --network energy --user home001 --meter mqtt",
    "home run": "commonwatt home run home.yaml",
    "home schema": "commonwatt home schema",
    "serve": "commonwatt serve --name market.example.org:8443",
    "service backup": "commonwatt service backup copy.db",
    "service invite-operator": "commonwatt service invite-operator ada",
    "service set-key": "commonwatt service set-key .commonwatt-service/receipts-key.jws --user operator@newtown",
    "community new": "commonwatt community new community.yaml",
    "community confirm": "commonwatt community confirm --grid operator@grid",
    "community schema": "commonwatt community schema",
    "community status": "commonwatt community status\ncommonwatt community status --json",
    "community readings": "commonwatt community readings readings.csv",
    "community statement": "commonwatt community statement home001 --month 2026-06 --format html --out june.html",
    "homes add": "commonwatt homes add homes.csv",
    "operate": "commonwatt operate community.yaml",
    "exchange operate": "commonwatt exchange operate exchange.yaml",
    "live": "commonwatt live --port 8443",
    "plugin list": "commonwatt plugin list",
    "plugin new": "commonwatt plugin new strategy patient",
}


def register(app: typer.Typer) -> None:
    """Add the verbs to `app`."""
    home.register(app)
    service.register(app)
    founding.register(app)
    operating.register(app)
    region.register(app)
    live.register(app)
    statement.register(founding.group(app, "community"))
    plugins.register(app)
    give_examples(app, EXAMPLES)


def main() -> None:
    """Run `commonwatt-community`, which has these verbs alone."""
    app = program("Run a community, and its homes.")
    register(app)
    run("commonwatt-community", app)
