# SPDX-License-Identifier: Apache-2.0
"""Chaincode lifecycle: installed packages, each organisation's approvals, and the channel's definitions."""
