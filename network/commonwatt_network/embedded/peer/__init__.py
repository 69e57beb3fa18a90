# SPDX-License-Identifier: Apache-2.0
"""One peer: its channels, endorser, gateway, chaincode, system chaincode, discovery and snapshots."""
