# SPDX-License-Identifier: Apache-2.0
"""Self-contained HTML reports: charts as inline SVG, each with its table, for screen, print and phone."""
