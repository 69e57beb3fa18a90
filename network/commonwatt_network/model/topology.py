# SPDX-License-Identifier: Apache-2.0
"""The one model of a network: organisations, orderers, channels, chaincodes. YAML in, JSON Schema out.

A topology says what there is, never where: ports, folders and keys are the kit's to choose. Unknown keys are refused
with the file, the line and what would be right.
"""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import Any, Self

from commonwatt_client.yaml_models import parse_model, refuse
from pydantic import ValidationInfo, model_validator

from commonwatt_network.errors import TopologyError as TopologyError
from commonwatt_network.model.topology_parts import (
    Chaincode,
    Channel,
    OrdererOrganization,
    Orderers,
    Organization,
    TopologyFields,
    User,
)
from commonwatt_network.model.topology_rules import member_mistakes, mistakes

# Validation context: a network that is there. Orderers come and go one at a time, so that their number may be even.
SETTLED = {"settled": True}

# Inner-west Sydney, where the paper's household types live; further communities are numbered.
SAMPLE_SEED = "sample"
COMMUNITIES = (
    "newtown", "glebe", "marrickville", "enmore", "leichhardt",
    "balmain", "annandale", "stanmore", "rozelle", "petersham",
)  # fmt: skip


class Topology(TopologyFields):
    """A whole network."""

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> Self:
        refuse(member_mistakes(self))
        if info.context != SETTLED:
            refuse(mistakes(self))
        return self


def default_topology(communities: int = 1, homes: int = 60) -> Topology:
    """One retailer, `grid`, and one channel with a peer and `homes` homes for each community."""
    if not 1 <= communities <= 50:
        raise TopologyError(f"--communities {communities}: between 1 and 50 communities fit on one machine")
    if not 1 <= homes <= 5000:
        raise TopologyError(f"--homes {homes}: between 1 and 5000 homes per community")
    names = [*COMMUNITIES, *(f"community{n}" for n in range(len(COMMUNITIES) + 1, communities + 1))][
        :communities
    ]
    operator = User(role="operator")
    return Topology(
        organizations={
            **{name: Organization(homes=homes, users={"operator": operator}) for name in names},
            "grid": Organization(users={"operator": User(role="grid")}),
        },
        orderers=Orderers(organizations={"orderers": OrdererOrganization(mspid="OrdererMSP")}),
        channels={name: Channel(organizations=[name, "grid"], chaincodes=["market"]) for name in names},
        chaincodes={"market": Chaincode()},
        home_seed=SAMPLE_SEED,
    )


def load_topology(source: str | Path) -> Topology:
    """The topology in a YAML file, or one of the samples by its name. Raises TopologyError."""
    path = Path(source)
    if not path.suffix and path.name == str(source) and str(source) in sample_topologies():
        return parse_topology(sample_topologies()[str(source)], f"{source} (sample)")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise TopologyError(f"{path}: {reason}; samples by name: {', '.join(sample_topologies())}") from error
    return parse_topology(text, str(path), path.absolute().parent)


def sample_topologies() -> dict[str, str]:
    """Name and YAML text of every sample shipped with the kit."""
    folder = resources.files("commonwatt_network.model") / "topologies"
    files = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".yaml")), key=lambda entry: entry.name
    )
    return {entry.name.removesuffix(".yaml"): entry.read_text(encoding="utf-8") for entry in files}


def parse_topology(text: str, where: str = "topology", folder: Path | None = None) -> Topology:
    """The topology in `text`. Raises TopologyError with one line per mistake: `where:line: what is wrong`.

    `folder`: where the text's file is, and the files that it names.
    """
    expected = "a topology is a mapping with organizations, orderers, channels, chaincodes"
    return parse_model(Topology, text, where, expected, folder, TopologyError)


def keeping_image(running: Topology, wanted: Topology) -> Topology:
    """What is wanted, with the running network's chaincode image if it names none.

    The default follows the kit's version. Another version's image may hold other code, so a running network changes
    its image only if its topology says so.
    """
    if "chaincode" in wanted.images.model_fields_set:
        return wanted
    images = wanted.images.model_copy(update={"chaincode": running.images.chaincode})
    return wanted.model_copy(update={"images": images})


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a topology file, for editors and other tools."""
    return Topology.model_json_schema()


def valid_channel_name(name: str) -> bool:
    """Whether Fabric takes `name` for a channel (orderer and peer agree on this rule)."""
    return re.fullmatch(r"[a-z][a-z0-9.-]{0,248}", name) is not None
