# SPDX-License-Identifier: Apache-2.0
# Written by `make sync` from commonwatt_client/connecting.py: change that file.
"""Connecting from files: `.commonwatt/network.json`, or a Fabric common connection profile."""

from commonwatt_client._connection import ClientCertificate
from commonwatt_client.identity import Identity
from commonwatt_client.profile import FilePath, network_file_peers, network_file_user, profile_peers
from commonwatt_client.retry import RetryPolicy
from commonwatt_client.signers import Signer
from commonwatt_client.sync.gateway import Gateway, connect
from commonwatt_client.timeouts import Timeouts


def connect_network_file(
    path: FilePath = ".commonwatt/network.json",
    organization: str = "newtown",
    user: str = "operator",
    *,
    timeouts: Timeouts | None = None,
    retry: RetryPolicy | bool = False,
) -> Gateway:
    """A gateway for a user of an organisation, from the file that a network of ours writes.

    The organisation's peers are used one at a time; `timeouts` and `retry` as of `connect`. Raises ConfigurationError.

    ::

        with connect_network_file(".commonwatt/network.json", "newtown", "operator") as gateway:
            market = gateway.get_network("newtown").get_contract("market")
            print(market.evaluate_transaction("get_parameters", "{}"))
    """
    identity, signer = network_file_user(path, organization, user)
    return connect(
        network_file_peers(path, organization),
        identity=identity,
        signer=signer,
        timeouts=timeouts,
        retry=retry,
    )


def connect_profile(
    path: FilePath,
    *,
    identity: Identity,
    signer: Signer | None = None,
    organization: str | None = None,
    timeouts: Timeouts | None = None,
    client_certificate: ClientCertificate | None = None,
    retry: RetryPolicy | bool = False,
) -> Gateway:
    """A gateway from a common connection profile (YAML or JSON), by default for its `client.organization`.

    The organisation's peers are used one at a time; `timeouts` and `retry` as of `connect`. Raises ConfigurationError.

    ::

        with connect_profile(".commonwatt/profiles/newtown.yaml", identity=identity, signer=signer) as gateway:
            market = gateway.get_network("newtown").get_contract("market")
            print(market.evaluate_transaction("get_parameters", "{}"))
    """
    return connect(
        profile_peers(path, organization),
        identity=identity,
        signer=signer,
        timeouts=timeouts,
        client_certificate=client_certificate,
        retry=retry,
    )
