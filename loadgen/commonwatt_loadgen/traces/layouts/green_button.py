# SPDX-License-Identifier: Apache-2.0
"""Green Button: the XML in which North American utilities hand out meter data (ESPI, NAESB REQ.21, in an Atom feed).

An IntervalBlock belongs to a MeterReading, and that to a UsagePoint and a ReadingType, as their links say. A
ReadingType has the unit (`uom` 72 is Wh, 38 is W), a power of ten, and the direction. Direction 1 is delivered to the
home, 19 received from it, 4 net. Times are seconds since 1970.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

import numpy as np

from commonwatt_loadgen.traces.layouts.layout import Layout, stem_of
from commonwatt_loadgen.traces.meter_rows import MeterRows
from commonwatt_loadgen.traces.packed import Part
from commonwatt_loadgen.traces.quantities import Quantity
from commonwatt_loadgen.traces.xml_elements import elements

_ELECTRICITY = "0"
_ENERGY_WH, _POWER_W = "72", "38"
_DIRECTIONS = {"1": "import", "19": "export", "4": "net", "0": "import", "": "import"}
_LONGEST_S = 3600
_USAGE_POINT = re.compile(r"UsagePoint/([^/]+)")


@dataclass
class _Feed:
    """What the entries of a feed say, by their own links."""

    reading_types: dict[str, tuple[int, Element]] = field(default_factory=dict)
    type_of_reading: dict[str, str] = field(default_factory=dict)
    other_services: set[str] = field(default_factory=set)
    blocks: list[tuple[int, str, Element]] = field(default_factory=list)


@dataclass
class _Home:
    """A usage point's intervals by quantity: starts in minutes since 1970, and mWh (or mW)."""

    line: int
    starts: dict[Quantity, list[int]] = field(default_factory=dict)
    values: dict[Quantity, list[float]] = field(default_factory=dict)


def is_feed(lines: Sequence[str]) -> str | None:
    """Whether first lines are of an ESPI feed."""
    text = " ".join(lines)
    return "xml" if "naesb.org/espi" in text or ("<feed" in text and "UsagePoint" in text) else None


def read_feed(kept: MeterRows, part: Part, _: str, base: int) -> None:
    """Read a whole feed.

    Raises:
        TraceError: it is no XML, or an interval has no unit or no length.
    """
    feed = _Feed()
    for line, entry in elements(part, {"entry"}):
        _take(feed, base + line, entry)
    homes: dict[str, _Home] = {}
    for line, link, block in feed.blocks:
        _add(kept, feed, homes, line, link, block, stem_of(part.name))
    for name, home in homes.items():
        _join(kept, name, home)


def _take(feed: _Feed, line: int, entry: Element) -> None:
    own, related = "", []
    for link in entry.iter("link"):
        relation, target = link.get("rel"), link.get("href", "")
        if relation == "self":
            own = target
        elif relation == "related":
            related.append(target)
    for content in entry.iter("content"):
        for thing in content:
            if thing.tag == "ReadingType":
                feed.reading_types[own] = (line, thing)
            elif thing.tag == "MeterReading":
                target = next((target for target in related if "ReadingType" in target), "")
                feed.type_of_reading[own] = target
            elif thing.tag == "UsagePoint":
                if _text(thing, "ServiceCategory/kind") not in (_ELECTRICITY, ""):
                    feed.other_services.add(own)
            elif thing.tag in ("IntervalBlock", "IntervalBLock"):
                feed.blocks.append((line, own, thing))


def _add(
    kept: MeterRows, feed: _Feed, homes: dict[str, _Home], line: int, link: str, block: Element, name: str
) -> None:
    if any(link == service or link.startswith(f"{service}/") for service in feed.other_services):
        return  # gas, water
    kind = _type_of(kept, feed, line, link)
    unit = _text(kind, "uom")
    direction = _DIRECTIONS.get(_text(kind, "flowDirection"))
    if unit not in (_ENERGY_WH, _POWER_W) or direction is None:
        kept.assembly.report(
            line, "unknown_register", f"uom {unit[:9]!r} of the reading is no energy", "ignored"
        )
        return
    power = _whole(kept, line, kind, "powerOfTenMultiplier", 0)
    if not -12 <= power <= 12:
        raise kept.assembly.error(line, f"powerOfTenMultiplier {power} is not within -12 to 12")
    found = _USAGE_POINT.search(link)
    home = homes.setdefault(found[1] if found else name, _Home(line))
    quantity = Quantity(direction, 1.0, unit == _POWER_W)
    starts, values = home.starts.setdefault(quantity, []), home.values.setdefault(quantity, [])
    for reading in block.iter("IntervalReading"):
        start, duration = (_whole(kept, line, reading, f"timePeriod/{one}") for one in ("start", "duration"))
        if not 60 <= duration <= _LONGEST_S:
            message = f"an interval of {duration} s: readings of 1 to 60 minutes are wanted"
            raise kept.assembly.error(line, message)
        if start % 60 or not -(10**9) < start < 7 * 10**9:
            raise kept.assembly.error(line, f"start {start} is no whole minute of a year from 1938 to 2190")
        starts.append(start // 60)
        values.append(_whole(kept, line, reading, "value") * 1000.0 * 10.0**power)


def _join(kept: MeterRows, name: str, home: _Home) -> None:
    """Keep a home's intervals, all quantities of an instant together."""
    starts = {quantity: np.array(own, dtype=np.int64) for quantity, own in home.starts.items()}
    instants = np.unique(np.concatenate(list(starts.values())))
    columns = []
    for quantity, own in starts.items():
        places = np.searchsorted(instants, own[::-1])
        column = np.full(len(instants), np.nan)
        column[places] = home.values[quantity][::-1]  # of an interval that comes again the first counts
        columns.append((quantity, column))
        again = len(own) - len(np.unique(own))
        if again:
            message = f"{name} {quantity.name}: {again} intervals again"
            kept.assembly.report(home.line, "duplicated_interval", message, "first kept")
    if len(instants):
        kept.add_instants(home.line, name, instants, columns)


def _type_of(kept: MeterRows, feed: _Feed, line: int, link: str) -> Element:
    """The ReadingType of a block: by the links of its MeterReading, or the only one that there is."""
    for reading, target in feed.type_of_reading.items():
        if link.startswith(f"{reading}/") and target in feed.reading_types:
            return feed.reading_types[target][1]
    if len(feed.reading_types) == 1:
        return next(iter(feed.reading_types.values()))[1]
    message = f"no link leads from the IntervalBlock {link[:100]!r} to one of {len(feed.reading_types)} ReadingTypes"
    raise kept.assembly.error(line, message)


def _text(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _whole(kept: MeterRows, line: int, element: Element, path: str, default: int | None = None) -> int:
    text = _text(element, path)
    if not text and default is not None:
        return default
    if not re.fullmatch(r"-?\d{1,18}", text):
        raise kept.assembly.error(line, f"{path} {text[:20]!r} is no whole number")
    return int(text)


LAYOUT = Layout("green-button", "America/New_York", "net", matches=is_feed, read=read_feed)
