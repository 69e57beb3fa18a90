"""What a channel is made of: configuration and updates, blocks, proposals, transactions, and its block stream."""
