# SPDX-License-Identifier: Apache-2.0
"""The routes of the API, a table for each of its parts; ``..table`` joins them."""
