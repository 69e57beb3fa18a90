# SPDX-License-Identifier: Apache-2.0
"""Where the nodes of a network run: one module per backend, each a `Backend`."""
