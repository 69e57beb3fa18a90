# SPDX-License-Identifier: Apache-2.0
"""Transactions signed by a key in a PKCS#11 token (SoftHSM; Debian: softhsm2)."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from commonwatt_client import connect
from commonwatt_client.profile import network_file_peers, network_file_user

from ..softhsm import SoftHsm
from .probe_network import COLLECTIONS, MEMBERS, PROBE, Probe


async def test_submit_and_evaluate(network: Any, softhsm: SoftHsm) -> None:
    from commonwatt_client.pkcs11 import Pkcs11Signer

    network.deploy(PROBE, "probe", endorsement_policy=MEMBERS, collections=COLLECTIONS)
    users = json.loads(network.path.read_text())["organizations"]["newtown"]["users"]
    token = f"community-{network.backend}"
    softhsm.new_token(token, {"operator": Path(users["operator"]["private_key"])})
    identity, _ = network_file_user(network.path, "newtown", "operator")
    key = f"h{secrets.token_hex(6)}"
    with Pkcs11Signer(softhsm.library, token_label=token, pin=softhsm.pin, key_label="operator") as signer:
        async with connect(
            network_file_peers(network.path, "newtown"), identity=identity, signer=signer
        ) as gateway:
            probe = Probe(gateway, gateway.get_network("trials").get_contract("probe"))
            await probe.answers()
            await probe.submit("put", key, "signed in the token")
            assert await probe.evaluate("get", key) == "signed in the token"
