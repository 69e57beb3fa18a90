# SPDX-License-Identifier: Apache-2.0
"""The community's verbs, each from the part that does its work."""

import typer
from commonwatt_client.exit_codes import run

from commonwatt_community.founding import cli as founding
from commonwatt_community.home import cli as home
from commonwatt_community.live import cli as live
from commonwatt_community.operating import cli as operating
from commonwatt_community.plugins import cli as plugins
from commonwatt_community.service import cli as service
from commonwatt_community.statement import cli as statement


def register(app: typer.Typer) -> None:
    """Add the verbs to `app`."""
    home.register(app)
    service.register(app)
    founding.register(app)
    operating.register(app)
    live.register(app)
    statement.register(founding.group(app, "community"))
    plugins.register(app)


def main() -> None:
    """Run `commonwatt-community`, which has these verbs alone."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)
    app.callback()(lambda: None)
    register(app)
    run("commonwatt-community", app)
