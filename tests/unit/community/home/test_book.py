# SPDX-License-Identifier: Apache-2.0
"""The home's book: what is kept is there again after a kill, files of others are refused, nothing grows for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from commonwatt_chaincode.market.forward.periods import Period
from commonwatt_client.errors import ConfigurationError
from commonwatt_community.home.book import Book, Trade
from commonwatt_community.meters.counted import Counted, Raw
from commonwatt_community.meters.cutting import Cut


def cut(period: int) -> Cut:
    return Cut(Period(period, 5), 10, 0, 100, None, 500, 490)


def test_what_is_kept_is_there_again(tmp_path: Path) -> None:
    counted = Counted(1_000.5, 10.25, 0.0, 500, Raw(7.0, 8.0), False)
    with Book(tmp_path / "home.db") as book:
        book.add(counted, [cut(5), cut(10)])
        book.close("d1", "bid", 5, "written")
        book.add_trade(Trade(5, 1, 0, None, "", "why"))
        book.note("wishes", "x")
    assert oct((tmp_path / "home.db").stat().st_mode)[-3:] == "600"
    with Book(tmp_path / "home.db") as book:
        assert book.last_count() == counted
        assert list(book.cuts_since(6)) == [cut(10)]
        assert book.last_cut() == cut(10)
        assert (book.outcome("d1"), book.outcome("d2")) == ("written", None)
        assert book.count_outcomes() == {("bid", "written"): 1}
        assert book.trades_since(0) == [Trade(5, 1, 0, None, "", "why")]
        assert (book.noted("wishes"), book.noted("none")) == ("x", None)


def test_counts_are_kept_for_two_days_and_periods_for_good(tmp_path: Path) -> None:
    with Book(tmp_path / "home.db") as book:
        for day in range(5):
            book.add(Counted(day * 86_400.0, day, 0), [cut(day * 1_440)])
        assert [one.at_s / 86_400 for one in book.counts_since(0)] == [2, 3, 4]
        assert [one.at_s / 86_400 for one in book.counts_since(3.5 * 86_400)] == [3, 4]
        assert len(list(book.cuts_since(0))) == 5


def test_a_killed_process_has_kept_what_it_said_that_it_kept(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from commonwatt_community.home.book import Book\n"
        "from commonwatt_community.meters.counted import Counted\n"
        "book = Book(Path(sys.argv[1]))\n"
        "for at in range(1, 100_000):\n"
        "    book.add(Counted(float(at), at, 0), [])\n"
        "    print(at, flush=True)\n"
    )
    file = tmp_path / "home.db"
    process = subprocess.Popen([sys.executable, "-c", program, str(file)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(20)]
    os.kill(process.pid, signal.SIGKILL)
    said += process.stdout.read().splitlines(keepends=True)
    process.wait()
    process.stdout.close()
    last = max(int(line) for line in said if line.endswith("\n"))
    with Book(file) as book:
        found = book.last_count()
        assert found is not None
        assert found.at_s >= last


@pytest.mark.parametrize(
    "content", [b"no database at all, whatever its length may be" * 50, b"SQLite format 3\0" + b"x" * 4_096]
)
def test_a_file_that_is_no_book(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "home.db").write_bytes(content)
    with pytest.raises(ConfigurationError, match="cannot be used"):
        Book(tmp_path / "home.db")
    assert (tmp_path / "home.db").read_bytes() == content


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        Book(tmp_path / "nowhere" / "home.db")
