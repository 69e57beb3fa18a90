# SPDX-License-Identifier: Apache-2.0
"""What an audit tells of a forward market besides differences: what it could not see, and what is worth a look."""

from collections.abc import Iterator

from commonwatt_audit.world import Json

from .replay import ForwardReplay

MOST_TOLD = 40
"""Anomalies in the text; `--json` has them all."""


def as_json(replay: ForwardReplay) -> Json:
    """For `--json`."""
    private = replay.ledger.private_values()
    return {
        "messages_verified": replay.speech.verified,
        "messages_not_shown": replay.speech.unseen,
        "private_values": private.standing,
        "private_values_not_shown": private.missing,
        "private_values_purged": private.purged,
        "not_checked": dict(sorted(replay.ledger.unchecked.items())),
        "anomalies": [one.as_json() for one in replay.anomalies.all()],
    }


def sentences(replay: ForwardReplay) -> Iterator[str]:
    """Line by line for people."""
    private, unchecked = replay.ledger.private_values(), replay.ledger.unchecked
    seen = private.standing - private.missing
    yield (
        f"forward market: {replay.speech.verified:,} messages verified, "
        f"{seen:,} of {private.standing:,} private values seen, {private.purged:,} purged"
    )
    if private.missing:
        yield (
            "the others were not shown: the audit checked their places and hashes, and the public sums that rest on "
            "them, and could not compute them anew"
        )
    for what, count in sorted(unchecked.items()):
        yield f"not checked: {what} ({count:,})"
    found = replay.anomalies.all()
    yield f"worth a look: {len(found):,}" if found else "nothing else is worth a look"
    for one in found[:MOST_TOLD]:
        yield f"  {one}"
    if len(found) > MOST_TOLD:
        yield f"  and {len(found) - MOST_TOLD:,} more, which --json lists"
