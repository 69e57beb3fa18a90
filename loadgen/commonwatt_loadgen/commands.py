"""The load generator's verbs for the `commonwatt` command."""

import typer


def register(app: typer.Typer) -> None:
    """Add simulate, paper and load to `app`."""
