# SPDX-License-Identifier: Apache-2.0
"""Where things stand on the exchange's ledger. No name of a channel holds a slash; periods have 9 digits, versions 4.

Each key begins with ``exchange/``, so no other contract of the chaincode reads or writes it. The two keys of a
community have an endorsement policy of their own, a peer of the grid and one of the community. So they are written when
it is registered and overwritten from then on: a new key has the chaincode's policy.
"""

RULES = "exchange/rules"
CLOCK = "exchange/clock"

COMMUNITIES = ("exchange/community/", "exchange/community0")
"""The range of all registrations."""

LINKS = ("exchange/link/", "exchange/link0")
"""The range of all links."""


def community_key(channel: str) -> str:
    """A community's registration."""
    return f"exchange/community/{channel}"


def anchor_key(channel: str) -> str:
    """A community's last anchor (key-level policy)."""
    return f"exchange/anchor/{channel}"


def residual_key(channel: str) -> str:
    """What a community brought last to a round (key-level policy)."""
    return f"exchange/residual/{channel}"


def link_key(seller: str, buyer: str) -> str:
    """What may flow from one community to another."""
    return f"exchange/link/{seller}/{buyer}"


def round_key(period: int) -> str:
    """A period's round: its trades, or that it is void (written once)."""
    return f"exchange/round/{period:09d}"


def attested_key(channel: str, period: int, version: int) -> str:
    """What the grid attested of a settlement (written once)."""
    return f"exchange/attested/{channel}/{period:09d}/{version:04d}"


def attested_range(channel: str, from_period: int, to_period: int) -> tuple[str, str]:
    """The range of attestations of a community's periods in [from_period, to_period)."""
    return f"exchange/attested/{channel}/{from_period:09d}/", f"exchange/attested/{channel}/{to_period:09d}/"
