# SPDX-License-Identifier: Apache-2.0
"""The energy-bidding contract and the Python chaincode shim that each Fabric peer runs."""
