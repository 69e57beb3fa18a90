# SPDX-License-Identifier: Apache-2.0
"""Where things stand: public keys, and keys of the community's private collection.

Numbers have a fixed width, so that the order of keys is the order of numbers. No id of a home holds a slash.
"""

COLLECTION = "community"
"""The one private collection of a channel, of the community's organisation and the grid's."""

# Public

CONFIGURATION = "configuration"
CLOCK = "clock"


def registration_key(home: str) -> str:
    """A home's registration."""
    return f"home/{home}"


HOMES = ("home/", "home0")
"""The range of all registrations."""


def author_key(author: str, home: str) -> str:
    """The public keys of a home, of its meter, or of the operator (whose ``home`` is the community's MSP id)."""
    return f"key/{author}/{home}"


def index_prefix(kind: str, period: int, version: int | None = None) -> str:
    """The index of a period's bids, or of the readings that came under one version."""
    return f"m/{kind}/{period:09d}/" + (f"{version:04d}/" if version is not None else "")


def index_key(kind: str, period: int, version: int | None, home: str, author: str, seq: int) -> str:
    """Says that an author said something: its value is the SHA-256 of the whole message, in hex.

    The message itself stands in the collection, under the same key. Bids have no version.
    """
    return f"{index_prefix(kind, period, version)}{home}/{author}/{seq:02d}"


def gate_key(period: int) -> str:
    """Written when the gate closes and when readings are frozen; every batch of bids reads it."""
    return f"gate/{period:09d}"


GATES_END = "gate0"
"""The end of the range of all gates."""


def meter_key(period: int) -> str:
    """Which version of readings is frozen; every batch of readings reads it."""
    return f"meter/{period:09d}"


def cleared_key(period: int) -> str:
    """What a period's clearing came to, in sums."""
    return f"cleared/{period:09d}"


def imported_key(period: int) -> str:
    """What the exchange's round came to for the community; written once, before the first settlement."""
    return f"imported/{period:09d}"


def settled_key(period: int) -> str:
    """Which version is settled, and whether all parts are."""
    return f"settled/{period:09d}"


def period_key(period: int, version: int) -> str:
    """What a version of a period's settlement came to, in sums; written once."""
    return f"period/{period:09d}/{version:04d}"


def part_key(period: int, version: int, part: int) -> str:
    """The sums of one part of a settlement; written once."""
    return f"part/{period:09d}/{version:04d}/{part:04d}"


def parts_range(period: int, version: int) -> tuple[str, str]:
    """The range of all parts of a version."""
    return range_of(f"part/{period:09d}/{version:04d}/")


def plan_key(period: int, version: int) -> str:
    """How a version is settled in several parts; written once. The private plan stands under the same key."""
    return f"plan/{period:09d}/{version:04d}"


def envelopes_key(day: int, home: str | None) -> str:
    """The envelopes of a day of UTC, of a home or (None) of all homes: no change of the offset moves them."""
    return f"envelope/{day:06d}/{home if home is not None else '*'}"


def envelopes_range(day: int) -> tuple[str, str]:
    """All envelopes of a day of UTC."""
    return f"envelope/{day:06d}/", f"envelope/{day:06d}0"


def sharing_key(from_period: int) -> str:
    """All static sharing keys from a period on."""
    return f"sharing/{from_period:09d}"


SHARING = ("sharing/", "sharing0")
"""The range of all sets of sharing keys."""


def feeder_key(period: int) -> str:
    """What the feeder's meter counted."""
    return f"feeder/{period:09d}"


def billed_key(day: int, part: int) -> str:
    """The sums of one part of a day's bills."""
    return f"billed/{day:06d}/{part:04d}"


def intensity_key(period: int) -> str:
    """What a kWh of the grid emits in a period."""
    return f"intensity/{period:09d}"


def carbon_key(day: int, part: int | None = None) -> str:
    """What the carbon of a day came to; with a part that part's sums, whose private days share the key."""
    return f"carbon/{day:06d}" + ("" if part is None else f"/{part:04d}")


def pending_key(home: str, period: int, version: int) -> str:
    """Says that an adjustment of a billed period waits for the home's next bill."""
    return f"pending/{home}/{period:09d}/{version:04d}"


def pending_range(home: str) -> tuple[str, str]:
    """All adjustments that wait for a home's next bill."""
    return f"pending/{home}/", f"pending/{home}0"


def gap_key(period: int, home: str) -> str:
    """Says that a gap's energy was spread over this period of a home; the private value stands under the same key."""
    return f"gap/{period:09d}/{home}"


def lost_key(key: str) -> str:
    """Says that the message under an index key is lost for good and counts as never said."""
    return f"lost/{key}"


LOST = ("lost/", "lost0")
"""The range of all messages that are lost."""


def forgotten_key(home: str) -> str:
    """Says up to which period what is private of a home was purged."""
    return f"forgotten/{home}"


def rewritten_key(name: str) -> str:
    """Says where the private record stands that once stood under ``name``: lines, awards or bills of the others."""
    return f"rewritten/{name}"


# Private


def possession_key(author: str, home: str, version: int) -> str:
    """The ``cw-key`` message that brought a key; its nonce salts what rests on no message of the home."""
    return f"key/{author}/{home}/{version:06d}"


def consent_key(author: str, home: str, version: int) -> str:
    """The ``cw-key`` message by which the key before agreed to this one: who audits a rotation reads it here."""
    return f"{possession_key(author, home, version)}/consent"


def awards_key(period: int) -> str:
    """The awards of a period's bids, home by home."""
    return f"awards/{period:09d}"


def outside_key(period: int) -> str:
    """What homes trade with other communities in a period, home by home."""
    return f"outside/{period:09d}"


def lines_key(period: int, version: int, part: int) -> str:
    """The settlement lines of one part of the homes."""
    return f"lines/{period:09d}/{version:04d}/{part:04d}"


def bills_key(day: int, part: int) -> str:
    """The bills of one part of the homes."""
    return f"bills/{day:06d}/{part:04d}"


def generation_key(name: str, generation: int) -> str:
    """A record of several homes after it was written anew without some: a purge ends a key and all its values."""
    return f"{name}/{generation:04d}" if generation else name


def adjustment_key(home: str, period: int, version: int) -> str:
    """What an adjustment changes; its public mark stands under ``pending_key``."""
    return f"adjustment/{home}/{period:09d}/{version:04d}"


def range_of(prefix: str) -> tuple[str, str]:
    """The range of keys that begin with ``prefix``, which ends in a slash: the next character after it is 0."""
    return prefix, prefix[:-1] + "0"
