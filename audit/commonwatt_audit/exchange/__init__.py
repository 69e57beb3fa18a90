# SPDX-License-Identifier: Apache-2.0
"""The exchange between communities, replayed, and communities' ledgers held against what it says of them."""
