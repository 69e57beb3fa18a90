"""Hyperledger Fabric networks from Python: embedded, native, and rendered manifests."""
