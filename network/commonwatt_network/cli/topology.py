# SPDX-License-Identifier: Apache-2.0
"""The verbs `commonwatt topology ...`: schema, check, samples, show."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from commonwatt_client.command_line import JsonOption

from commonwatt_network.cli.options import DirectoryOption, NetworkOption, out, own_directory, print_json
from commonwatt_network.errors import UsageError

topology_app = typer.Typer(no_args_is_help=True, help="Show and check topologies.")


@topology_app.command("schema")
def topology_schema() -> None:
    """Print the JSON Schema of topology files."""
    from commonwatt_network.model.topology import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


@topology_app.command("check")
def topology_check(
    file: Annotated[str, typer.Argument(help="A YAML file, or a sample by its name.")],
) -> None:
    """Check a topology file."""
    from commonwatt_network.model.topology import load_topology

    topology = load_topology(file)
    out.print(
        f"{file}: {len(topology.organizations)} organisations, {len(topology.channels)} channels: correct"
    )


@topology_app.command("samples")
def topology_samples(
    name: Annotated[str | None, typer.Argument(help="Print this one.")] = None, as_json: JsonOption = False
) -> None:
    """List the sample topologies, or print one."""
    from commonwatt_network.model.topology import sample_topologies

    samples = sample_topologies()
    about = {sample: text.splitlines()[0].lstrip("# ") for sample, text in samples.items()}
    if name is None and as_json:
        print_json({"samples": [{"name": sample, "about": words} for sample, words in about.items()]})
    elif name is None:
        for sample, words in about.items():
            out.print(f"{sample}: {words}")
    elif name in samples:
        typer.echo(samples[name], nl=False)
    else:
        raise UsageError(f"no sample {name}; there are: {', '.join(samples)}")


@topology_app.command("show")
def topology_show(directory: DirectoryOption = None, network: NetworkOption = None) -> None:
    """Print the running network's topology, for you to edit."""
    import yaml

    from commonwatt_network.change.plan import find_network
    from commonwatt_network.model.layout import Layout

    state = find_network(Layout(own_directory(directory, network, "topology show")))
    content = state.topology.model_dump(mode="json", exclude_defaults=True)
    typer.echo(yaml.safe_dump(content, sort_keys=False), nl=False)
