"""Replaying a channel's ledger by the market's rules, for auditors who trust none of the peers."""
