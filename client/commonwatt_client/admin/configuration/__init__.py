# SPDX-License-Identifier: Apache-2.0
"""Changing a channel's configuration: edits, the updates that organisations sign, and a look for mistakes.

`ledger.configuration` reads configurations. `edits`, `consenters` and `revocation` change them, each from the
configuration in force to the one wanted, on the `groups` beneath them. `update` makes what organisations sign and
submit. `checks` finds what nodes accept and then fail over.
"""

from commonwatt_client.admin.configuration.checks import find_mistakes
from commonwatt_client.admin.configuration.consenters import (
    add_consenter,
    remove_consenter,
    replace_consenter,
)
from commonwatt_client.admin.configuration.edits import (
    add_organization,
    remove_organization,
    set_anchor_peers,
    set_batch,
    set_capability,
    set_orderer_endpoints,
)
from commonwatt_client.admin.configuration.groups import APPLICATION, CHANNEL, ORDERER
from commonwatt_client.admin.configuration.revocation import revoke_certificates
from commonwatt_client.admin.configuration.update import (
    assemble_update,
    compute_update,
    sign_update,
    signed_by,
    wait_for_config,
)

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
