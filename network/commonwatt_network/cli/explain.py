# SPDX-License-Identifier: Apache-2.0
"""The verb `commonwatt explain`: what a code of Fabric means and what to do next."""

from __future__ import annotations

from typing import Annotated

import typer
from commonwatt_client.explain import EXPLANATIONS, explain
from rich.table import Table

from commonwatt_network.cli.options import out
from commonwatt_network.errors import UsageError


def explain_code(
    code: Annotated[
        str | None,
        typer.Argument(help="A code's name or number, such as MVCC_READ_CONFLICT or 11; all without one."),
    ] = None,
) -> None:
    """Tell what a code of Fabric means and what to do next."""
    if code is None:
        table = Table("code", "number", "meaning", box=None, pad_edge=False)
        for explanation in EXPLANATIONS.values():
            number = "" if explanation.number is None else str(explanation.number)
            table.add_row(explanation.name, number, explanation.meaning)
        out.print(table)
        return
    try:
        out.print(str(explain(code)), markup=False)
    except KeyError as error:
        raise UsageError(str(error.args[0])) from None
