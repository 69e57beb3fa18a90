"""Who signed a block and its transactions: the part of an audit that needs no state, and most of its time."""

from functools import lru_cache

from commonwatt_client.admin import (
    Authorities,
    Block,
    ChannelConfig,
    Transaction,
    decode_block,
    orderers_that_signed,
    read_channel_config,
    verify_transaction,
)


def signature_faults(block: Block, config_block: bytes, chaincode: str) -> list[str]:
    """What is wrong with the signatures of a block and of its valid transactions, in order, in words.

    `config_block` holds the configuration in force when the block was cut, serialised.
    """
    config, authorities = _trust(config_block)
    if not orderers_that_signed(block, config):
        return [f"block {block.number}: no orderer of the channel signed it"]
    return [
        f"block {block.number}, transaction {transaction.transaction_id}: {reason}"
        for transaction in block.transactions
        if transaction.kind == "ENDORSER_TRANSACTION" and transaction.valid
        for reason in (
            *verify_transaction(transaction, authorities),
            *_missing_endorsements(transaction, config, chaincode),
        )
    ]


def faults_of_several(blocks: list[tuple[bytes, bytes]], chaincode: str) -> list[list[str]]:
    """The same for several serialised blocks, each with its configuration: work for another process."""
    return [signature_faults(decode_block(block), config, chaincode) for block, config in blocks]


@lru_cache(maxsize=4)
def _trust(config_block: bytes) -> tuple[ChannelConfig, Authorities]:
    config = read_channel_config(decode_block(config_block))
    return config, Authorities.of(config)


def _missing_endorsements(transaction: Transaction, config: ChannelConfig, chaincode: str) -> list[str]:
    members = {each.mspid for each in config.application_organizations.values()}
    found = []
    for action in transaction.actions:
        endorsers = {each.endorser.mspid for each in action.endorsements} & members
        # Each organisation's own approval in _lifecycle is endorsed by itself alone.
        if action.chaincode == chaincode and 2 * len(endorsers) <= len(members):
            found.append(f"only {', '.join(sorted(endorsers)) or 'nobody'} endorsed it")
    return found
