"""Channels: genesis blocks, policies, joining, chaincode lifecycle and the first transaction."""
