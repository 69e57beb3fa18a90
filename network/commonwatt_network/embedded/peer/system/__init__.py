# SPDX-License-Identifier: Apache-2.0
"""The system chaincodes: `cscc` (channels), `qscc` (ledger queries), `_lifecycle`."""
