# SPDX-License-Identifier: Apache-2.0
"""The commands of `commonwatt` as Markdown, from the same definitions that `--help` prints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer
from commonwatt_network.cli.main import build_app


def commands() -> str:
    """A section for each command, in the order of `commonwatt --help`."""
    root = typer.main.get_group(build_app())
    return "\n".join(_lines(root, "commonwatt", typer.Context(root, info_name="commonwatt")))


def _lines(command: Any, name: str, context: Any) -> Iterator[str]:
    if isinstance(command, typer.core.TyperGroup):
        if context.parent is not None:
            yield from (f"## {name}", "", _prose(command.help), "")
        for verb in command.list_commands(context):
            inner = command.get_command(context, verb)
            if inner is not None and not inner.hidden:
                yield from _lines(inner, f"{name} {verb}", typer.Context(inner, context, info_name=verb))
        return
    yield from ("##" + "#" * (name.count(" ") - 1) + f" {name}", "", _prose(command.help), "")
    yield from ("```text", " ".join([name, *command.collect_usage_pieces(context)]), "```", "")
    if shown := re.findall(r"^ *(commonwatt .*)$", command.epilog or "", re.MULTILINE):
        yield from ("```console", *shown, "```", "")
    rows = [_row(one, context) for one in command.params if not getattr(one, "hidden", False)]
    if rows:
        yield from ("| argument or option | default | meaning |", "|---|---|---|", *rows, "")


def _row(parameter: Any, context: Any) -> str:
    if parameter.param_type_name == "argument":
        name = f"`{parameter.get_usage_pieces(context)[0]}`"
    else:
        name = ", ".join(f"`{one}`" for one in (*parameter.opts, *parameter.secondary_opts))
        if not parameter.is_flag:
            name += f" {_cell(_prose(parameter.metavar or parameter.display_type(context)))}"
    default = parameter.default
    shown = "" if default in (None, "", (), [], False) or callable(default) else f"`{default}`"
    meaning = _cell(_prose(parameter.help))
    if variables := _variables(parameter):
        meaning += f" ({variables})"
    return f"| {name} | {shown} | {meaning} |"


def _variables(parameter: Any) -> str:
    named = parameter.envvar or ()
    return ", ".join(f"`{one}`" for one in ([named] if isinstance(named, str) else named))


def _prose(text: str | None) -> str:
    """A help text without terminal markup, safe in Markdown. Words between backticks stay as they are."""
    plain = re.sub(r"\[/?(?:bold|italic|dim|green|yellow|red|cyan)\]", "", text or "")
    pieces = re.split(r"(`[^`]*`)", plain.replace("\f", "\n\n").replace("\b", ""))
    return "".join(one if one.startswith("`") else _escaped(one) for one in pieces)


def _escaped(text: str) -> str:
    marked = re.sub(r"([*_\[\]{}])", r"\\\1", text)
    return marked.replace("<", "&lt;").replace(">", "&gt;")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
