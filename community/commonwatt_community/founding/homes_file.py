# SPDX-License-Identifier: Apache-2.0
"""`homes.csv`: the homes to add, one a line. Every mistake is named with its line before anything is done."""

import csv
import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from commonwatt_client.exit_codes import UsageError

COLUMNS = ("id", "class", "connection_w", "pv_w", "battery_w", "storage_wh", "key_ppm", "e_mail", "nmi")
NEEDED = ("class",)
CLASSES = ("consumer", "prosumer")
LARGEST_FILE = 4 << 20
MOST_HOMES = 10_000
ALL_PPM = 1_000_000

_BOUNDS = {
    "connection_w": 10_000_000,
    "pv_w": 10_000_000,
    "battery_w": 10_000_000,
    "storage_wh": 100_000_000,
    "key_ppm": ALL_PPM,
}
_DEFAULTS = {"connection_w": 24_000, "pv_w": 0, "battery_w": 0, "storage_wh": 0}
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_NMI = re.compile(r"[A-Za-z0-9]{10,11}")
_E_MAIL = re.compile(r"[^@\s,;<>\"]{1,64}@[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,24}")


class HomesFileError(UsageError):
    """The file cannot be used; each line of the message is ``file:line: mistake``."""


@dataclass(frozen=True)
class NewHome:
    """A line of the file; `home` is None where the community is to draw an id."""

    line: int
    home: str | None
    home_class: str
    connection_w: int
    pv_w: int
    battery_w: int
    storage_wh: int
    key_ppm: int | None
    e_mail: str | None
    nmi: str | None = None


def read_homes(path: Path, standing_ppm: Mapping[str, int] | None = None) -> list[NewHome]:
    """The homes of a file, in order.

    `standing_ppm`: the sharing keys that other homes have already.

    Raises:
        HomesFileError: whatever is wrong, all at once.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise HomesFileError(f"{path}:1: the file is larger than {LARGEST_FILE >> 20} MiB")
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise HomesFileError(f"{path} cannot be read: {reason}") from error
    mistakes: list[str] = []
    homes = list(_rows(str(path), text, mistakes))
    mistakes += _together(str(path), homes, standing_ppm or {})
    if mistakes:
        raise HomesFileError("\n".join(mistakes))
    if not homes:
        raise HomesFileError(f"{path}:1: the file has no homes")
    return homes


def _rows(where: str, text: str, mistakes: list[str]) -> Iterator[NewHome]:
    reader = csv.reader(text.splitlines(), strict=True)
    try:
        header = [name.strip().lower().replace("-", "_") for name in next(reader, [])]
        wrong = list(_header_mistakes(where, header))
        mistakes += wrong
        if wrong:
            return
        for number, row in enumerate(reader, start=1):
            line = reader.line_num
            if not any(cell.strip() for cell in row):
                continue
            if number > MOST_HOMES:
                mistakes.append(f"{where}:{line}: more than {MOST_HOMES} homes")
                return
            if len(row) != len(header):
                mistakes.append(f"{where}:{line}: {len(row)} cells under {len(header)} columns")
                continue
            cells = {name: cell.strip() for name, cell in zip(header, row, strict=True)}
            found = list(_cell_mistakes(cells))
            mistakes += [f"{where}:{line}: {words}" for words in found]
            if not found:
                yield _home(line, cells)
    except csv.Error as error:
        mistakes.append(f"{where}:{reader.line_num}: not CSV: {error}")


def _header_mistakes(where: str, header: list[str]) -> Iterator[str]:
    for name in header:
        if name not in COLUMNS:
            close = difflib.get_close_matches(name, COLUMNS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"columns are {', '.join(COLUMNS)}"
            yield f"{where}:1: unknown column {name[:40] or '(empty)'}; {hint}"
    for name in sorted(set(header)):
        if header.count(name) > 1:
            yield f"{where}:1: column {name[:40]} stands {header.count(name)} times"
    for name in NEEDED:
        if name not in header:
            yield f"{where}:1: column {name} is missing"


def _cell_mistakes(cells: Mapping[str, str]) -> Iterator[str]:
    if cells["class"] not in CLASSES:
        close = difflib.get_close_matches(cells["class"].lower(), CLASSES, n=1)
        hint = f"did you mean {close[0]}?" if close else f"it is one of {', '.join(CLASSES)}"
        yield f"class {cells['class'][:40]!r} is unknown; {hint}"
    if cells.get("id") and not _ID.fullmatch(cells["id"]):
        yield f"id {cells['id'][:40]!r} is no id: letters, digits, - and _, 32 at most"
    for name, most in _BOUNDS.items():
        cell = cells.get(name, "")
        if cell and not (re.fullmatch(r"[0-9]{1,9}", cell) and int(cell) <= most):
            yield f"{name} {cell[:40]!r} is no whole number from 0 to {most}"
    if cells.get("e_mail") and not _E_MAIL.fullmatch(cells["e_mail"]):
        yield f"e_mail {cells['e_mail'][:60]!r} is no address"
    if cells.get("nmi") and not _NMI.fullmatch(cells["nmi"]):
        yield f"nmi {cells['nmi'][:40]!r} is no meter's identifier of 10 or 11 letters and digits"


def _home(line: int, cells: Mapping[str, str]) -> NewHome:
    numbers = {name: int(cells.get(name) or default) for name, default in _DEFAULTS.items()}
    key_ppm = int(cells["key_ppm"]) if cells.get("key_ppm") else None
    return NewHome(
        line,
        cells.get("id") or None,
        cells["class"],
        **numbers,
        key_ppm=key_ppm,
        e_mail=cells.get("e_mail") or None,
        nmi=cells.get("nmi") or None,
    )


def _together(where: str, homes: list[NewHome], standing_ppm: Mapping[str, int]) -> Iterator[str]:
    """Mistakes of lines beside others."""
    seen: dict[str, int] = {}
    meters: dict[str, int] = {}
    for home in homes:
        if home.home is not None:
            if home.home in seen:
                yield f"{where}:{home.line}: home {home.home} stands on line {seen[home.home]} already"
            seen.setdefault(home.home, home.line)
        if home.nmi is not None:
            if home.nmi in meters:
                yield f"{where}:{home.line}: meter {home.nmi} stands on line {meters[home.nmi]} already"
            meters.setdefault(home.nmi, home.line)
        if home.home_class == "consumer" and (home.pv_w or home.storage_wh or home.battery_w):
            yield f"{where}:{home.line}: a consumer has no panels and no battery; make it a prosumer"
        if home.storage_wh and not home.battery_w:
            yield f"{where}:{home.line}: storage_wh asks for battery_w, the power of the battery"
    added = sum(home.key_ppm or 0 for home in homes)
    others = sum(ppm for home, ppm in standing_ppm.items() if home not in seen)
    if added + others > ALL_PPM:
        last = max(home.line for home in homes if home.key_ppm)
        beside = f" with {others} ppm of homes that are registered already" if others else ""
        yield f"{where}:{last}: the sharing keys are together {added + others} ppm{beside}, above {ALL_PPM} (100 %)"
