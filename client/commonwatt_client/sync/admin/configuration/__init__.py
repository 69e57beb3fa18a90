# SPDX-License-Identifier: Apache-2.0
# Written by `make sync` from commonwatt_client/admin/configuration/__init__.py: change that file.
"""Changing a channel's configuration, without `await`."""

from commonwatt_client.admin.configuration import (
    APPLICATION,
    CHANNEL,
    ORDERER,
    add_consenter,
    add_organization,
    compute_update,
    find_mistakes,
    remove_consenter,
    remove_organization,
    replace_consenter,
    revoke_certificates,
    set_anchor_peers,
    set_batch,
    set_capability,
    set_orderer_endpoints,
    signed_by,
)
from commonwatt_client.sync.admin.configuration.update import assemble_update, sign_update, wait_for_config

__all__ = [
    "APPLICATION",
    "CHANNEL",
    "ORDERER",
    "add_consenter",
    "add_organization",
    "assemble_update",
    "compute_update",
    "find_mistakes",
    "remove_consenter",
    "remove_organization",
    "replace_consenter",
    "revoke_certificates",
    "set_anchor_peers",
    "set_batch",
    "set_capability",
    "set_orderer_endpoints",
    "sign_update",
    "signed_by",
    "wait_for_config",
]
