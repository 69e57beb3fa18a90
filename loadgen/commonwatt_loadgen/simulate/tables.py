# SPDX-License-Identifier: Apache-2.0
"""Results as CSV: tables that are written day by day, and take their names once all days are written.

So memory does not grow with the days, and no table is ever half there under its own name.
"""

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from commonwatt_client.exit_codes import UsageError

MOST_HOME_DAYS = 10_000
"""Home days up to which the tables are written unless asked otherwise: about 30 MB."""

_BEGINNINGS = {
    "homes": "home,start",
    "trades": "round,time",
    "rounds": "round,time",
    "periods": "period,start",
    "pairs": "from,to",
    "bills": "home,day",
}
"""How the first line of each table of either market begins."""

TABLES = tuple(_BEGINNINGS)
"""The names of all tables."""


def wanted(data: bool | None, homes: int, days: int) -> bool:
    """Whether tables are written: as asked, else where the run is not too long."""
    return homes * days <= MOST_HOME_DAYS if data is None else data


def require_own_tables(folder: Path) -> None:
    """Make sure that no file of somebody else's bears the name of a table.

    Raises:
        UsageError: one does.
    """
    for name in _BEGINNINGS:
        path = folder / f"{name}.csv"
        if path.exists() and not _is_ours(path, name):
            raise UsageError(f"{path}: is no table of an earlier simulation; name another folder by --out")
        if path.with_suffix(".parquet").exists() and not path.exists():
            raise UsageError(
                f"{path.with_suffix('.parquet')}: lies beside no {path.name}; name another folder by --out"
            )


def remove_data(folder: Path) -> None:
    """Remove the tables of an earlier simulation, which are not those of the summary to be written."""
    for name in _BEGINNINGS:
        path = folder / f"{name}.csv"
        if path.exists() and _is_ours(path, name):
            path.with_suffix(".parquet").unlink(missing_ok=True)
            path.unlink()


def _is_ours(path: Path, name: str) -> bool:
    expected = _BEGINNINGS[name]
    with path.open("rb") as file:
        return file.read(len(expected)) == expected.encode()


def _for_me_alone(path: str, flags: int) -> int:
    """Open as `open` would: ids beside homes' names tell who is who on the ledger."""
    return os.open(path, flags, 0o600)


class Tables:
    """Tables of one folder, by name; a context manager that gives them their names unless it ends in an error."""

    def __init__(self, folder: Path, columns: Mapping[str, Sequence[str]], *, parquet: bool = False) -> None:
        """`parquet`: each is written as Parquet, too, which the caller made sure can be."""
        self._folder = folder
        self._parquet = parquet
        self._columns = columns
        self._files: dict[str, TextIO] = {}

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        remove_data(self._folder)
        for name, columns in self._columns.items():
            path = self._unfinished(name)
            path.unlink(missing_ok=True)
            self._files[name] = open(path, "x", encoding="utf-8", newline="", opener=_for_me_alone)
            csv.writer(self._files[name]).writerow(columns)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, file in self._files.items():
            file.close()
            if kind is None:
                os.replace(self._unfinished(name), self._folder / f"{name}.csv")
                if self._parquet:
                    self._write_parquet(self._folder / f"{name}.csv")
            else:
                self._unfinished(name).unlink(missing_ok=True)

    def write(self, name: str, rows: Sequence[Sequence[Any]]) -> None:
        """Add rows to a table."""
        csv.writer(self._files[name]).writerows(rows)

    def _write_parquet(self, csv: Path) -> None:
        from commonwatt_loadgen.frames import parquet_beside  # pandas is slow to load

        parquet_beside(csv)

    def _unfinished(self, name: str) -> Path:
        return self._folder / f".{name}.csv.unfinished"
