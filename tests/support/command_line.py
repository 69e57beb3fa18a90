# SPDX-License-Identifier: Apache-2.0
"""Verbs run inside the test's process, with the exit code and the sentence that the command would end with."""

from collections.abc import Sequence
from dataclasses import dataclass

import typer
from commonwatt_client.exit_codes import exit_code
from typer.testing import CliRunner


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    exit_code: int
    stdout: str
    stderr: str


def invoke(app: typer.Typer, arguments: Sequence[str], text: str | None = None) -> Ended:
    """Run `app` with `arguments`, and `text` as its standard input; raises what the command would not survive."""
    result = CliRunner().invoke(app, list(arguments), input=text)
    error = result.exception
    if error is None or isinstance(error, SystemExit):
        return Ended(result.exit_code, result.stdout, result.stderr)
    code = exit_code(error)
    if code is None:
        raise error
    return Ended(code, result.stdout, f"{result.stderr}{error}\n")
