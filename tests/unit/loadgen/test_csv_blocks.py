# SPDX-License-Identifier: Apache-2.0
"""A block of CSV means the same to pyarrow and to pandas; what only one of them understands is read by that one."""

import numpy as np
import pytest
from commonwatt_loadgen.traces import csv_blocks
from commonwatt_loadgen.traces.csv_blocks import parsed

pytest.importorskip("pyarrow")

BLOCKS = {
    "as usual": b"b,2024-01-01 00:00,1.5\na,2024-01-01 00:30,0.25\nb,2024-01-01 00:30,12\n",
    "ids with leading zeros": b"0012,x,1\n0007,x,2\n",
    "windows' ends of lines": b"b,x,1\r\na,y,2\r\n",
    "spaces around": b" b ,x, 1\n a ,y,2 \n",
    "signs and exponents": b"a,x,-1e3\na,y,2.5e-2\n",
    "without end": b"a,x,inf\na,y,-inf\n",
    "empty texts": b",x,1\n,y,2\n",
    "words that look like nothing": b"NA,null,1\nnull,NA,2\n",
    "other letters": "Zoë,x,1\nÄnne,y,2\n".encode(),
    "a plus": b"a,x,+1\na,y,2\n",
    "one blank column": b"a,,1\nb,,2\n",
}
NEITHER = {
    "an empty number": b"a,x,1\na,y,\n",
    "a word": b"a,x,1\na,y,off\n",
    "an underscore": b"a,x,1_000\n",
    "a blank line": b"a,x,1\n\na,y,2\n",
    "a cut row": b"a,x,1\na,y\n",
}


def columns(block, monkeypatch, *, pyarrow):
    monkeypatch.setattr(csv_blocks, "_HAS_PYARROW", pyarrow)
    return parsed(block, ",", 3, [0, 1], [2])


@pytest.mark.parametrize("block", BLOCKS.values(), ids=list(BLOCKS))
def test_both_read_the_same(block, monkeypatch):
    one, other = (columns(block, monkeypatch, pyarrow=pyarrow) for pyarrow in (True, False))
    assert one is not None
    assert other is not None
    for at in (0, 1):
        assert list(one[at]) == list(other[at])
        assert list(one[at].categories) == list(other[at].categories)  # homes are numbered in this order
    np.testing.assert_array_equal(one[2], other[2])


@pytest.mark.parametrize("block", NEITHER.values(), ids=list(NEITHER))
def test_what_neither_reads_is_left_to_the_reader_of_rows(block, monkeypatch):
    assert columns(block, monkeypatch, pyarrow=True) is None
    assert columns(block, monkeypatch, pyarrow=False) is None


def test_usual_blocks_are_read_by_pyarrow(monkeypatch):
    monkeypatch.setattr(csv_blocks, "_HAS_PYARROW", True)
    monkeypatch.setattr(csv_blocks, "_table", lambda *_: pytest.fail("pandas read it"))
    assert parsed(BLOCKS["as usual"], ",", 3, [0, 1], [2]) is not None
