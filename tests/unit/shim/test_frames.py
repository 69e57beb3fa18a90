# SPDX-License-Identifier: Apache-2.0
"""Frames between the serving process and its workers arrive whole, however the bytes are cut."""

from commonwatt_chaincode.shim.frames import FrameProtocol
from hypothesis import given
from hypothesis import strategies as st

frames = st.lists(st.tuples(st.integers(0, 2**32 - 1), st.binary(max_size=40)), max_size=8)


@given(frames, st.lists(st.integers(1, 30), min_size=1))
def test_frames_are_put_together_again(sent: list[tuple[int, bytes]], cuts: list[int]) -> None:
    data = b"".join(
        len(message).to_bytes(4, "little") + stream.to_bytes(4, "little") + message
        for stream, message in sent
    )
    received: list[tuple[int, bytes]] = []
    protocol = FrameProtocol(lambda stream, message: received.append((stream, message)), lambda: None)
    position = turn = 0
    while position < len(data):
        size = cuts[turn % len(cuts)]
        protocol.data_received(data[position : position + size])
        position, turn = position + size, turn + 1
    assert received == sent
