# SPDX-License-Identifier: Apache-2.0
"""The verb `commonwatt explain`: what a code of Fabric means and what to do next."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from commonwatt_client.command_line import JsonOption
from commonwatt_client.explain import EXPLANATIONS, explain
from rich.table import Table

from commonwatt_network.cli.options import out, print_json
from commonwatt_network.errors import UsageError


def explain_code(
    code: Annotated[
        str | None,
        typer.Argument(help="A code's name or number, such as MVCC_READ_CONFLICT or 11; all without one."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what a code of Fabric means and what to do next."""
    if code is None and as_json:
        print_json({"codes": [asdict(one) for one in EXPLANATIONS.values()]})
        return
    if code is None:
        table = Table("code", "number", "meaning", box=None, pad_edge=False)
        for explanation in EXPLANATIONS.values():
            number = "" if explanation.number is None else str(explanation.number)
            table.add_row(explanation.name, number, explanation.meaning)
        out.print(table)
        return
    try:
        explanation = explain(code)
    except KeyError as error:
        raise UsageError(str(error.args[0])) from None
    if as_json:
        print_json({"codes": [asdict(explanation)]})
    else:
        out.print(str(explanation), markup=False)
