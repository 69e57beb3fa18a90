# SPDX-License-Identifier: Apache-2.0
"""What a chaincode developer works with: a new project, and a network that has each save within seconds."""
