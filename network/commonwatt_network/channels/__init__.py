# SPDX-License-Identifier: Apache-2.0
"""Channels: genesis blocks, policies, joining, chaincode lifecycle and the first transaction."""
