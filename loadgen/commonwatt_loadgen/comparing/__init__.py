# SPDX-License-Identifier: Apache-2.0
"""Two results compared: the same communities, home by home and seed by seed, with confidence intervals."""
