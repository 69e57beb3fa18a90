# SPDX-License-Identifier: Apache-2.0
"""Meter data as the Australian market exchanges it: aseXML messages with NEM12 in `CSVIntervalData`, mostly zipped.

AEMO's Meter Data File Format specification says what NEM12 holds; the aseXML schemas (`MeterDataNotification`) how it
is wrapped. Zip archives, also archives of archives, are opened whatever is in them.
"""

import csv
from collections.abc import Sequence

from commonwatt_loadgen.traces.layouts.layout import Layout
from commonwatt_loadgen.traces.layouts.nem12 import read_records
from commonwatt_loadgen.traces.meter_rows import MeterRows
from commonwatt_loadgen.traces.opening import Decimals
from commonwatt_loadgen.traces.packed import Part
from commonwatt_loadgen.traces.xml_elements import elements


def is_message(lines: Sequence[str]) -> str | None:
    """Whether first lines are of an aseXML message."""
    return "xml" if "<" in lines[0] and any("aseXML" in line for line in lines) else None


def read_message(kept: MeterRows, part: Part, _: str, base: int) -> None:
    """Read the NEM12 of a message.

    Raises:
        TraceError: it is no XML, has no interval data, or what it has is no NEM12.
    """
    assembly, found = kept.assembly, False
    for line, element in elements(part, {"CSVIntervalData", "CSVConsumptionData"}):
        if element.tag == "CSVConsumptionData":
            message = (
                "holds consumption data (NEM13) alone, which has no intervals; ask for the interval data"
            )
            raise assembly.error(base + line, message)
        found = True
        texts = (element.text or "").splitlines()
        try:
            read_records(assembly, enumerate(csv.reader(texts), base + line), Decimals(","))
        except csv.Error as error:
            raise assembly.error(base + line, f"its CSVIntervalData is not CSV: {error}") from error
    if not found:
        raise assembly.error(base + 1, "an aseXML message without CSVIntervalData")


LAYOUT = Layout("aemo", "Australia/Brisbane", matches=is_message, read=read_message)
