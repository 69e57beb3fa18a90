"""Chaincode lifecycle: installed packages, each organisation's approvals, and the channel's definitions."""
