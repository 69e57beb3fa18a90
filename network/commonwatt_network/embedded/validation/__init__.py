# SPDX-License-Identifier: Apache-2.0
"""What a peer checks of every transaction of a block before it commits it, and what the valid ones change."""
