"""The complete Python client for Hyperledger Fabric: Gateway and administration."""
