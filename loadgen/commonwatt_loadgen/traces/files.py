"""Read a trace file of any supported layout, found out from its first lines."""

import csv
from pathlib import Path

from commonwatt_loadgen.traces import ausgrid, nem12
from commonwatt_loadgen.traces.assemble import Assembly
from commonwatt_loadgen.traces.checks import Problem, TraceError
from commonwatt_loadgen.traces.sources import TraceSet


def load_traces(path: Path, *, pv_w: int = 5000, strict: bool = False) -> tuple[TraceSet, list[Problem]]:
    """Traces from a file, generation scaled to systems of `pv_w` W, and everything that was found wrong.

    Raises:
        TraceError: the file is absent, of no known layout, cut off or malformed, or `strict` and not
        flawless.
    """
    assembly = _read(path)
    traces = assembly.finish(pv_w, strict)
    return traces, assembly.problems


def _read(path: Path) -> Assembly:
    if path.suffix.lower() in (".parquet", ".pq"):
        from commonwatt_loadgen.traces import tidy  # pandas takes a second to load; tidy files alone need it

        return tidy.read_tidy_parquet(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            opening = list(csv.reader(line for line, _ in zip(file, range(2), strict=False)))
            if not opening:
                raise TraceError(path, 1, "the file is empty")
            if any(ausgrid.is_header(fields) for fields in opening):
                file.seek(0)
                return ausgrid.read_ausgrid(path, file)
            if opening[0][:2] == ["100", "NEM12"]:
                file.seek(0)
                return nem12.read_nem12(path, file)
    except FileNotFoundError as error:
        raise TraceError(path, 0, "no such file") from error
    except OSError as error:
        raise TraceError(path, 0, f"cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise TraceError(path, 0, f"is not UTF-8 text in CSV: {error}") from error

    from commonwatt_loadgen.traces import tidy

    if tidy.is_header(opening[0]):
        return tidy.read_tidy_csv(path)
    raise TraceError(path, 1, "none of the known layouts (Ausgrid, NEM12, tidy `home,time,use_wh`)")
