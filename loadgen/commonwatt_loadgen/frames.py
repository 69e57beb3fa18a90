# SPDX-License-Identifier: Apache-2.0
"""Tables as files: which type each column has, CSV beside Parquet, and back as pandas frames."""

import os
from pathlib import Path
from typing import Any

import pandas as pd
from commonwatt_client.exit_codes import UsageError

_TEXT = frozenset({"home", "buyer", "seller", "round", "from", "to", "bid"})
_TIMES = frozenset({"start", "end", "time"})
_DATES = frozenset({"day"})
_TEXT_IN_HOMES = frozenset({"refused"})  # the code of a refusal; of a period it is their number
NEEDS_PYARROW = "Parquet needs pyarrow: pip install 'commonwatt-loadgen[parquet]'"


def write_frame(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame as `path`.csv and, where pyarrow is installed, `path`.parquet; each is there whole, or not."""
    csv, parquet = path.with_name(f"{path.name}.csv"), path.with_name(f"{path.name}.parquet")
    unfinished = path.with_name(f".{path.name}.unfinished")
    frame.to_csv(unfinished, index=False)
    os.replace(unfinished, csv)
    parquet.unlink(missing_ok=True)
    if has_pyarrow():
        frame.to_parquet(unfinished, index=False)
        os.replace(unfinished, parquet)


def has_pyarrow() -> bool:
    """Whether the extra `parquet` is installed."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        return False
    return True


def parquet_beside(csv: Path) -> None:
    """Write a table of a simulation once more as Parquet, block by block, readable by its owner alone.

    Raises:
        UsageError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow.csv import ConvertOptions, open_csv
        from pyarrow.parquet import ParquetWriter
    except ImportError as error:
        raise UsageError(NEEDS_PYARROW) from error
    types = {"text": pa.string(), "time": pa.timestamp("s"), "date": pa.date32(), "whole": pa.int64()}
    with csv.open(encoding="utf-8") as file:
        columns = file.readline().strip().split(",")
    wanted = {name: types[kind_of(csv.stem, name)] for name in columns}
    parquet = csv.with_suffix(".parquet")
    unfinished = csv.with_name(f".{csv.stem}.parquet.unfinished")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        options = ConvertOptions(column_types=wanted, strings_can_be_null=True)
        with (
            open_csv(csv, convert_options=options) as blocks,
            ParquetWriter(out, blocks.schema, compression="zstd") as writer,
        ):
            for block in blocks:
                writer.write_batch(block)
    os.replace(unfinished, parquet)


def read_table(csv: Path) -> pd.DataFrame:
    """A table of a simulation, from Parquet where it lies beside the CSV file.

    Energy, money and prices are `Int64`, times `datetime64[s]`, homes and rounds `string`; empty cells are missing.

    Raises:
        UsageError: the file is damaged.
    """
    parquet = csv.with_suffix(".parquet")
    try:
        if parquet.exists() and has_pyarrow():
            return _typed(csv.stem, pd.read_parquet(parquet))
        columns = pd.read_csv(csv, nrows=0).columns
        types: dict[str, Any] = {
            name: "Int64" if kind_of(csv.stem, name) == "whole" else "string" for name in columns
        }
        return _typed(csv.stem, pd.read_csv(csv, dtype=types))
    except (ValueError, OSError) as error:
        raise UsageError(f"{csv}: cannot be read: {error}") from error


def kind_of(table: str, column: str) -> str:
    """What a column of a simulation's table holds: `text`, `time`, `date` or `whole` numbers."""
    if column in _TEXT or (table == "homes" and column in _TEXT_IN_HOMES):
        return "text"
    return "time" if column in _TIMES else "date" if column in _DATES else "whole"


def _typed(table: str, frame: pd.DataFrame) -> pd.DataFrame:
    types = {"text": "string", "time": "datetime64[s]", "date": "datetime64[s]", "whole": "Int64"}
    return frame.astype({name: types[kind_of(table, name)] for name in frame.columns})
