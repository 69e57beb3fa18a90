# SPDX-License-Identifier: Apache-2.0
"""The verbs `commonwatt chaincode ...`: deploy."""

from __future__ import annotations

import typer

from commonwatt_network.cli.deploy import chaincode_deploy

chaincode_app = typer.Typer(no_args_is_help=True, help="Deploy chaincode.")
chaincode_app.callback()(lambda: None)
chaincode_app.command("deploy")(chaincode_deploy)
