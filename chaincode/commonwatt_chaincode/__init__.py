"""The energy-bidding contract and the Python chaincode shim that each Fabric peer runs."""
