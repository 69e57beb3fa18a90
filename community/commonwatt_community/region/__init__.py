# SPDX-License-Identifier: Apache-2.0
"""The grid's side of a region's exchange: its file, and the program that runs it (`docs/operating.md`)."""
