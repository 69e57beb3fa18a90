"""One peer: its channels, endorser, gateway, chaincode, system chaincode, discovery and snapshots."""
