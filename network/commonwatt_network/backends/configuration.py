# SPDX-License-Identifier: Apache-2.0
"""The configuration of real peers and orderers, the same whether they run as programs or in containers."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING

from commonwatt_network.embedded.lifecycle.connection_templates import VARIABLE as BUILDER_VARIABLE
from commonwatt_network.embedded.lifecycle.connection_templates import TemplateError, builder_values
from commonwatt_network.errors import UsageError
from commonwatt_network.model.nodes import Orderer, Peer

if TYPE_CHECKING:
    import jinja2  # loaded where something is rendered: most commands do without

PEER_FILE, ORDERER_FILE = "core.yaml", "orderer.yaml"
LISTEN_FILE = "listen"  # in an orderer's folder: the IPv6 address that it binds
LOGGING = {
    "FABRIC_LOGGING_SPEC": "warn",
    "FABRIC_LOGGING_FORMAT": "%{time:2006-01-02 15:04:05.000 MST} %{level:.4s} [%{module}] %{shortfunc} -> %{message}",
}


def peer_configuration(
    peer: Peer,
    bootstrap: str,
    network: str,
    builder: PurePath,
    version: tuple[int, ...],
    *,
    hosts_apart: bool,
) -> str:
    """A peer's core.yaml. `bootstrap`: a peer of its organisation, or itself; `builder`: the ccaas builder's folder.

    `hosts_apart`: other organisations' nodes are on hosts that may vanish without a word.
    """
    template = templates().get_template("core.yaml.j2")
    return template.render(
        peer=peer,
        network=network,
        bootstrap=bootstrap,
        builder=builder,
        version=version,
        hosts_apart=hosts_apart,
    )


def orderer_configuration(orderer: Orderer, cluster_authorities: Sequence[PurePath]) -> str:
    """An orderer's orderer.yaml. `cluster_authorities`: the TLS CA certificates of all orderers (files)."""
    template = templates().get_template("orderer.yaml.j2")
    return template.render(orderer=orderer, cluster_authorities=cluster_authorities, listen_file=LISTEN_FILE)


def fabric_environment(folder: PurePath) -> dict[str, str]:
    """The environment of a peer or orderer whose configuration file lies in `folder`."""
    return {"FABRIC_CFG_PATH": str(folder), **LOGGING}


def builder_environment(peer: Peer) -> dict[str, str]:
    """What the peer's builder for chaincode as a service fills into templates. Raises UsageError."""
    try:
        values = builder_values(peer.name, os.environ.get(BUILDER_VARIABLE))
    except TemplateError as error:
        raise UsageError(f"{error}; it is to hold the values for templates in chaincode packages") from error
    return {BUILDER_VARIABLE: json.dumps(values, sort_keys=True)}


def templates() -> jinja2.Environment:
    """The kit's templates of configuration files and manifests."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("commonwatt_network.backends"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701  these are configuration files, not pages
    )
    # Jinja's own `tojson` escapes for HTML; JSON is YAML as it stands.
    environment.filters["quoted"] = partial(json.dumps, ensure_ascii=False)
    return environment
