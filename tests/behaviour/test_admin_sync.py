# SPDX-License-Identifier: Apache-2.0
"""Administration without `await`, in a plain function and from several threads: it is the async one, run elsewhere."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from commonwatt_client import ClientCertificate, Peer
from commonwatt_client.admin import NotFoundError, compute_update, set_batch
from commonwatt_client.sync.admin import (
    OrdererAdmin,
    OrderingClient,
    PeerAdmin,
    assemble_update,
    sign_update,
    wait_for_config,
)

from .test_admin_channel import admin_of

CHANNEL = "trials"


def test_a_peer_and_an_orderer_are_administered(network: Any) -> None:
    layout, orderer = network.nodes.layout, network.nodes.orderers[0]
    peer = network.nodes.gateway_peer("newtown")
    identity, signer = admin_of(network, "newtown", "NewtownMSP")
    peer_tls = layout.tls_ca_certificate("newtown").read_bytes()
    owner = admin_of(network, orderer.organization, orderer.mspid)
    orderer_tls = layout.tls_ca_certificate(orderer.organization).read_bytes()
    pair = layout.user(orderer.organization, "admin") / "tls"

    with (
        PeerAdmin(
            Peer(peer.address, peer_tls, tls_server_name=peer.name), identity=identity, signer=signer
        ) as asked,
        OrdererAdmin(
            Peer(
                orderer.admin_address,
                orderer_tls,
                tls_server_name=orderer.name,
                client_certificate=ClientCertificate(pair / "server.crt", pair / "server.key"),
            )
        ) as rest,
        OrderingClient(
            Peer(orderer.address, orderer_tls, tls_server_name=orderer.name),
            identity=owner[0],
            signer=owner[1],
        ) as ordering,
    ):
        assert CHANNEL in asked.list_channels()
        assert set(rest.list_channels()) == {"newtown", CHANNEL}
        assert [block.number for block in asked.blocks(CHANNEL, 0, 0)] == [0]
        blocks = ordering.blocks(CHANNEL)  # without an end
        assert next(blocks).number == 0
        blocks.close()
        with pytest.raises(NotFoundError):
            asked.get_block_by_number(CHANNEL, 10_000)
        with ThreadPoolExecutor(4) as threads:
            heights = list(threads.map(lambda _: asked.get_chain_info(CHANNEL).height, range(8)))
        assert min(heights) > 0

        before = asked.fetch_config(CHANNEL)
        for timeout_s in (0.12, before.batch_timeout_s):
            current = asked.fetch_config(CHANNEL)
            update = compute_update(current, set_batch(current, timeout_s=timeout_s))
            signature = sign_update(update, *owner)
            ordering.broadcast(assemble_update(update, [signature], identity, signer))
            wait_for_config(
                lambda: asked.fetch_config(CHANNEL),
                lambda config, timeout_s=timeout_s: config.batch_timeout_s == timeout_s,
            )
