# SPDX-License-Identifier: Apache-2.0
"""What every command of the kit has: `-h`, `--version`, `-v`, `-q`, completion, and one line where it is used wrongly.

This module needs Typer, which comes with the extra `cli`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Annotated, Any, ClassVar, Literal

import typer
from typer._completion_classes import completion_init
from typer._completion_shared import get_completion_script
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.exceptions import TyperException

from commonwatt_client.verbosity import ask_quiet, ask_verbose, forget

NetworkOption = Annotated[
    str | None,
    typer.Option(
        "--network",
        metavar="NAME|FILE",
        envvar="COMMONWATT_NETWORK",
        help="The network: a name that `commonwatt connect` gave, or its file; default: that of the folder here.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs (docs/reference/json.md).")]


class Program(TyperGroup):
    """A command with verbs: it shows them in panels, and gives each of them `-v` and `-q`."""

    panels: ClassVar[Mapping[str, Sequence[str]]] = {}
    """Verbs and groups under their heading in the help, in this order; others follow."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        completion_init()
        self.params.extend(_options_of(_options_of_a_program))
        shared = _options_of(_options_of_a_verb)
        for command in _leaves(self):
            command.params.extend(shared)
        order = [name for names in self.panels.values() for name in names]
        for panel, names in self.panels.items():
            for name in names:
                if name in self.commands:
                    self.commands[name].rich_help_panel = panel  # type: ignore[attr-defined]  # of Typer's classes
        listed = sorted(self.commands, key=lambda name: order.index(name) if name in order else len(order))
        self.commands = {name: self.commands[name] for name in listed}

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run the command line; ends the process. One line tells what was wrong with the command line."""
        forget()
        options["standalone_mode"] = False
        try:
            sys.exit(super().main(*arguments, **options))
        except TyperException as error:
            context = getattr(error, "ctx", None)
            if context is not None and type(error).__name__ == "NoArgsIsHelpError":
                typer.echo(context.get_help())
            else:
                typer.echo(_sentence(error, context), err=True)
            sys.exit(error.exit_code)
        except typer.Abort as abort:  # Ctrl-C at a question
            raise KeyboardInterrupt from abort


def program(about: str, group: type[Program] = Program) -> typer.Typer:
    """A command that follows the kit's conventions, still without verbs."""
    app = typer.Typer(
        cls=group,
        help=about,
        no_args_is_help=True,
        add_completion=False,  # Typer's own asks the parent process which shell it is
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(lambda: None)  # a group, however few verbs it has
    return app


def give_examples(app: typer.Typer, examples: Mapping[str, str]) -> None:
    """Put under the help of each verb how it is called; one example a line. Raises KeyError for an unknown verb."""
    for verb, lines in examples.items():
        *groups, name = verb.split()
        here = [app]
        for group in groups:
            inside = (one for level in here for one in level.registered_groups if one.name == group)
            here = [one.typer_instance for one in inside if one.typer_instance is not None]
        found = [one for level in here for one in level.registered_commands if one.name == name]
        if not found:
            raise KeyError(verb)
        for one in found:
            one.epilog = "\n\n".join(
                ["Examples:", *(f"  {line.strip()}" for line in lines.strip().splitlines())]
            )


def _sentence(error: TyperException, context: Any) -> str:
    message = " ".join(error.format_message().split()).rstrip(".").replace(": Value error, ", ": ")
    path = "commonwatt" if context is None else context.command_path
    return f"{path}: {message[:1].lower()}{message[1:]}; `{path} -h` shows what it takes"


def _leaves(group: TyperGroup) -> Iterator[TyperCommand]:
    for command in group.commands.values():
        if isinstance(command, TyperGroup):
            yield from _leaves(command)
        elif isinstance(command, TyperCommand):
            yield command


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"commonwatt {version('commonwatt-client')}")
        raise typer.Exit


def _show_completion(context: typer.Context, shell: str | None) -> None:
    if shell:
        name = context.find_root().info_name or "commonwatt"
        variable = f"_{name.replace('-', '_').upper()}_COMPLETE"
        typer.echo(get_completion_script(prog_name=name, complete_var=variable, shell=shell))
        raise typer.Exit


def _options_of_a_program(
    completion: Annotated[
        Literal["bash", "zsh", "fish"] | None,
        typer.Option(
            "--show-completion",
            callback=_show_completion,
            is_eager=True,
            expose_value=False,
            help="Print what makes a shell complete verbs and options, and end (docs/reference/command-line.md).",
        ),
    ] = None,
    shown: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            expose_value=False,
            help="Print the version, and end.",
        ),
    ] = False,
) -> None: ...


def _options_of_a_verb(
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose",
            "-v",
            count=True,
            callback=ask_verbose,
            expose_value=False,
            show_default=False,
            help="Log to standard error what happens, and where an error came from; -vv: every detail.",
        ),
    ] = 0,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet",
            "-q",
            callback=ask_quiet,
            expose_value=False,
            help="Leave out how it went: results and errors alone.",
        ),
    ] = False,
) -> None: ...


def _options_of(function: Callable[..., None]) -> Sequence[TyperOption]:
    """The options of a function's parameters, as Typer makes them."""
    app = typer.Typer(add_completion=False)
    app.command()(function)
    return [one for one in typer.main.get_command(app).params if isinstance(one, TyperOption)]
