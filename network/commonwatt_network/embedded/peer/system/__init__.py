"""The system chaincodes: `cscc` (channels), `qscc` (ledger queries), `_lifecycle`."""
