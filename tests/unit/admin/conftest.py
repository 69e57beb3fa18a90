"""A ledger recorded from Hyperledger Fabric 3.1.5: genesis, two approvals, a commit, a configuration
update.
"""

from pathlib import Path

import pytest
from commonwatt_client.admin import Block, ChannelConfig, decode_block, read_channel_config


@pytest.fixture(scope="session")
def ledger() -> list[Block]:
    """Blocks 0 to 4, as a peer delivered them."""
    folder = Path(__file__).with_name("ledger")
    return [decode_block((folder / f"{number}.block").read_bytes()) for number in range(5)]


@pytest.fixture(scope="session")
def genesis_config(ledger: list[Block]) -> ChannelConfig:
    """The configuration of block 0: NewtownMSP and GridMSP, three Raft consenters of OrdererMSP."""
    return read_channel_config(ledger[0])
