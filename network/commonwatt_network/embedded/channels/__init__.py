# SPDX-License-Identifier: Apache-2.0
"""What a channel is made of: configuration and updates, blocks, proposals, transactions, and its block stream."""
