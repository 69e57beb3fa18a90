# SPDX-License-Identifier: Apache-2.0
"""Time zones by the names of the tz database."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class ZoneError(ValueError):
    """There is no such time zone."""


def zone_of(name: str) -> ZoneInfo:
    """The zone of a name such as Europe/London.

    Raises:
        ZoneError: the tz database has none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ZoneError(
            f"time zone {name!r} is unknown; a name of the tz database is wanted, as Europe/London"
        ) from error
