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

from commonwatt_community.founding import cli as founding
from commonwatt_community.home import cli as home
from commonwatt_community.live import cli as live
from commonwatt_community.operating import cli as operating
from commonwatt_community.plugins import cli as plugins
from commonwatt_community.service import cli as service


def register(app: typer.Typer) -> None:
    """Add the verbs to `app`."""
    home.register(app)
    service.register(app)
    founding.register(app)
    operating.register(app)
    live.register(app)
    plugins.register(app)


def main() -> None:
    """Run `commonwatt-community`, which has these verbs alone."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)
    app.callback()(lambda: None)
    register(app)
    run("commonwatt-community", app)
