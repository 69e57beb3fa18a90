# SPDX-License-Identifier: Apache-2.0
"""Trace files that strangers made to do harm, or that are damaged: refused in one sentence with the file's name."""

from __future__ import annotations

import contextlib
import gzip
import io
import random
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from commonwatt_loadgen.traces import ReadAs, TraceError, load_traces, xml_elements
from commonwatt_loadgen.traces import opening as opening_module
from commonwatt_loadgen.traces.packed import parts_of

from .test_layouts import ASEXML, FEED, LONDON, NEM12, london_rows, reading, telegram

SMALL_BOUND = "commonwatt_loadgen.traces.packed._UNPACKED_AT_LEAST"


def refused(path: Path, says: str) -> str:
    with pytest.raises(TraceError, match=says) as caught:
        load_traces(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


ENTITIES = '<!DOCTYPE feed [<!ENTITY a "aaaaaaaaaa">{more}]>'


@pytest.mark.parametrize(
    "more",
    [
        "".join(f'<!ENTITY b{n} "{f"&b{n - 1};" * 10 if n else "&a;" * 10}">' for n in range(9)),
        '<!ENTITY x SYSTEM "file:///etc/passwd">',
        '<!ENTITY % p SYSTEM "http://127.0.0.1/evil.dtd"> %p;',
        "",
    ],
    ids=["billion laughs", "file", "parameter", "declared alone"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused(tmp_path: Path, more: str, encoding: str) -> None:
    feed = FEED.format(service="0", readings="&b8;" if "b8" in more else "")
    text = feed.replace("<feed", ENTITIES.format(more=more) + "<feed", 1).replace("UTF-8", encoding)
    path = tmp_path / "usage.xml"
    path.write_bytes(text.encode(encoding))
    refused(path, "has a document type or an entity" if encoding == "utf-8" else "UTF-8")


def test_a_document_type_from_elsewhere_is_refused(tmp_path: Path) -> None:
    """Without entities of its own, too; no parser asks for it."""
    text = FEED.format(service="0", readings=reading(1, 1, 250))
    path = tmp_path / "usage.xml"
    path.write_text(text.replace("<feed", '<!DOCTYPE feed SYSTEM "http://127.0.0.1/evil.dtd"><feed', 1))
    refused(path, "has a document type or an entity")


def test_xml_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "usage.xml"
    deep = FEED.format(service="0", readings="<entry>" + "<x>" * 100_000)
    path.write_text(deep)
    refused(path, "nested more than 50 deep")
    path.write_text(FEED.format(service="0", readings=""))
    refused(path, "holds no readings")
    path.write_text(FEED.format(service="0", readings=reading(1, 1, 5))[:-2_000])
    refused(path, "is not XML")
    monkeypatch.setattr(xml_elements, "_LARGEST_ELEMENT", 1000)
    path.write_text(FEED.format(service="0", readings=reading(1, 1, 5)))
    refused(path, "an element of more than")


def test_archives_that_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by many files, by an archive in an archive, and by gzip in zip."""
    monkeypatch.setattr(SMALL_BOUND, 100_000)
    content = (LONDON + "\n").encode() + b"\n" * 600_000
    inner = zipped(tmp_path / "inner.zip", {"a.csv": content}).read_bytes()
    for name, files in {
        "one": {"a.csv": content},
        "many": {f"{number}.csv": content[:99_000] for number in range(20)},
        "nested": {"a.zip": inner},
        "gzip": {"a.csv.gz": gzip.compress(content)},
    }.items():
        path = zipped(tmp_path / f"{name}.zip", files)
        assert path.stat().st_size * 100 < 600_000
        refused(path, "unpacks to more than 0 MB: refused")


def test_an_archive_that_lies_about_its_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SMALL_BOUND, 100_000)
    path = zipped(tmp_path / "lies.zip", {"a.csv": (LONDON + "\n").encode() + b"\n" * 600_000})
    data = path.read_bytes()
    size = (600_000 + len(LONDON) + 1).to_bytes(4, "little")
    path.write_bytes(data.replace(size, (1000).to_bytes(4, "little")))
    with pytest.raises(TraceError):
        load_traces(path)


def test_archives_go_no_deeper_than_two(tmp_path: Path) -> None:
    content = "\n".join(NEM12).encode()
    for depth in range(3):
        content = zipped(
            tmp_path / f"{depth}.zip", {f"{depth}.zip" if depth else "a.csv": content}
        ).read_bytes()
    assert load_traces(tmp_path / "1.zip")[0].days == 1
    refused(tmp_path / "2.zip", "is not UTF-8 text|none of the known layouts")


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commonwatt_loadgen.traces.packed.MOST_FILES", 3)
    files = {f"{number}.csv": b"a" for number in range(4)}
    refused(zipped(tmp_path / "many.zip", files), "holds more than 3 files")
    for name, content in files.items():
        (tmp_path / "folder").mkdir(exist_ok=True)
        (tmp_path / "folder" / name).write_bytes(content)
    refused(tmp_path / "folder", "holds more than 3 files")


def test_names_within_archives_leave_no_trace_on_disk(tmp_path: Path) -> None:
    """Nothing is ever unpacked into a folder, so a name that leads elsewhere leads nowhere."""
    home = tmp_path / "x"
    home.mkdir()
    path = zipped(home / "slip.zip", {"../../slip.csv": "\n".join(NEM12).encode()})
    assert load_traces(path)[0].days == 1
    assert [file.name for file in tmp_path.rglob("*.csv")] == []


def test_a_line_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening_module, "LONGEST_LINE", 10_000)
    path = tmp_path / "long.csv"
    rows = "\n".join([LONDON, *london_rows("MAC000002", datetime(2013, 1, 10), 3)])
    path.write_text(rows + "\n" + "1," * 50_000)
    refused(path, "a line of more than 10,000 bytes")
    path.write_text("1," * 50_000)
    refused(path, "a line of more than 10,000 bytes")


def test_an_empty_folder_and_a_folder_of_nothing_known(tmp_path: Path) -> None:
    refused(tmp_path, "holds no files")
    (tmp_path / "a.txt").write_text("a\n")
    refused(tmp_path, "a.txt:1: none of the known layouts")


def test_parquet_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    for content in (b"", b"PAR1", b"PAR1" + b"\0" * 100 + b"PAR1"):
        path.write_bytes(content)
        refused(path, "unreadable as Parquet")


# Damaged files of every layout

STRANGE = (b'"', b",", b"\n", b"-", b"9" * 30, b"nan", b"1e999", b"<", b"\0", b"\xff", b"24:00")


def parquet() -> bytes:
    times = pd.date_range("2024-01-15", periods=96, freq="15min")
    buffer = io.BytesIO()
    pd.DataFrame({"home": "a", "time": times, "use_kw": 1.0}).to_parquet(buffer)
    return buffer.getvalue()


def p1_log() -> bytes:
    first = datetime.fromisoformat("2024-01-15T00:00+01:00")
    return "".join(telegram(first + timedelta(minutes=15 * n), 10 + n, n) for n in range(100)).encode()


def lines(*rows: str) -> Callable[[], bytes]:
    return lambda: ("\n".join(rows) + "\n").encode()


WHOLE: dict[str, Callable[[], bytes]] = {
    "lcl.csv": lines(LONDON, *london_rows("MAC000002", datetime(2013, 1, 10), 2)),
    "pecan.csv": lines(
        "dataid,local_15min,grid,solar",
        *(f"1,2018-03-01 {n // 4:02d}:{n % 4 * 15:02d}:00-06,1,0.5" for n in range(96)),
    ),
    "Apt1_2016.csv": lines(*(f"2016-01-15 {n // 2:02d}:{n % 2 * 30:02d}:00,0.4" for n in range(48))),
    "File1.txt": lines(*(f"1392 195{slot:02d} 0.14" for slot in range(1, 49))),
    "usage.xml": lambda: FEED.format(service="0", readings=reading(1, 1, 250)).encode(),
    "p1.log": p1_log,
    "nem12.csv": lines(*NEM12),
    "message.xml": lambda: ASEXML.format(tag="CSVIntervalData", text="\n".join(NEM12)).encode(),
    "a.parquet": parquet,
    "a.csv.gz": lambda: gzip.compress("\n".join(NEM12).encode()),
}


def damaged(content: bytes, draws: random.Random) -> bytes:
    """Some bytes changed, left out, repeated or put in."""
    data = bytearray(content)
    for _ in range(draws.randint(1, 4)):
        at = draws.randrange(len(data) + 1)
        size = draws.choice((1, 1, 2, 8, 64))
        kind = draws.randrange(4)
        if kind == 0:
            data[at : at + size] = draws.randbytes(size)
        elif kind == 1:
            del data[at : at + size * 4]
        elif kind == 2:
            data[at:at] = data[max(0, at - size * 4) : at]
        else:
            data[at:at] = draws.choice(STRANGE)
    return bytes(data)


def reads(path: Path) -> str:
    """Why a file is refused, nothing if it is not; any other error than TraceError fails the test."""
    try:
        load_traces(path)
    except TraceError as error:
        return str(error)
    return ""


def fuzz(folder: Path, name: str, seeds: range) -> None:
    whole = WHOLE[name]()
    path = folder / name
    path.write_bytes(whole)
    assert reads(path) == ""
    refusals = 0
    for seed in seeds:
        path.write_bytes(damaged(whole, random.Random(f"{name} {seed}")))
        try:
            why = reads(path)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error
        assert "\n" not in why
        refusals += bool(why)
    assert refusals or name == "p1.log"  # whose telegrams with a wrong checksum are left out


@pytest.mark.parametrize("name", WHOLE)
def test_damaged_files_are_refused_or_read(tmp_path: Path, name: str) -> None:
    fuzz(tmp_path, name, range(40))


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", WHOLE)
def test_many_damaged_files_are_refused_or_read(tmp_path: Path, name: str) -> None:
    fuzz(tmp_path, name, range(1000, 2000))


def test_mappings_of_any_letters_are_refused_or_taken() -> None:
    for seed in range(2000):
        draws = random.Random(seed)
        text = "".join(draws.choices('home=time,use_kwh"*#1 end:\n\0é', k=draws.randint(0, 40)))
        with contextlib.suppress(ValueError):
            ReadAs(columns=f"time=t,{text}").check()


def test_parts_are_in_the_order_of_their_names(tmp_path: Path) -> None:
    path = zipped(tmp_path / "all.zip", {"b.csv": b"b", "a/c.csv": b"c", "a/.hidden": b"h"})
    assert [str(part) for part in parts_of(path)] == [f"{path}:a/c.csv", f"{path}:b.csv"]
