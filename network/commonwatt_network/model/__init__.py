# SPDX-License-Identifier: Apache-2.0
"""What a network is: its topology, the nodes that follow from it, and the files that say so."""
