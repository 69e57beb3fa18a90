# SPDX-License-Identifier: Apache-2.0
"""What privacy costs: the same batches of the same homes with a collection and in the public state, side by side."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..support.fabric import require_backend
from .message_load import bytes_of, grown, loaded, running, with_homes

HOMES, SIZE = 100, 500


@pytest.mark.timeout(900)
@pytest.mark.parametrize("backend", ["embedded", "native"])
def test_messages_with_and_without_a_collection(tmp_path: Path, backend: str) -> None:
    require_backend(backend)
    for private in (True, False):
        with running(tmp_path / str(private), with_homes(HOMES, private=private), backend) as nodes:
            peer, orderer = nodes.gateway_peer("grid"), nodes.orderers[0]
            loaded(nodes, SIZE, seconds=2)
            before, orderers = bytes_of(peer.ledger), _size(orderer.ledger)
            found = loaded(nodes, SIZE)
            print(f"\n{backend}, {'private' if private else 'public'}: {found.told()}")
            print(f"  at a peer, for each message: {grown(before, bytes_of(peer.ledger), found.messages)}")
            print(f"  at an orderer: {(_size(orderer.ledger) - orderers) / found.messages:,.0f} bytes")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
