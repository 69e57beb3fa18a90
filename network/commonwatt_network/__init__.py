# SPDX-License-Identifier: Apache-2.0
"""Hyperledger Fabric networks from Python: embedded, native, and rendered manifests."""
