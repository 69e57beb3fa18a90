# SPDX-License-Identifier: Apache-2.0
"""The server's clock against the date of a proposal: what is refused, in which words, and on which channels."""

from typing import Any

import pytest
from commonwatt_chaincode.shim import ConfigurationError, Refusal, Response, config_from_environment
from commonwatt_chaincode.shim.clock import CODE, EVERY_CHANNEL, on_time
from commonwatt_chaincode.shim.results import Timestamp

NOW_S = 1_900_000_000
SECOND_NS = 1_000_000_000
BASE = {
    "CHAINCODE_SERVER_ADDRESS": "127.0.0.1:9999",
    "CHAINCODE_ID": "probe_1:hash",
    "CHAINCODE_TLS_DISABLED": "true",
}


class Call:
    """As much of a stub as the check looks at."""

    def __init__(self, channel_id: str, dated: Timestamp) -> None:
        self.channel_id, self.timestamp = channel_id, dated


async def answer(error_s: dict[str, int], channel: str, dated: Timestamp) -> str:
    """The refusal's text, or empty where the contract was asked."""

    async def contract(_: Any) -> Response:
        return Response(200)

    call: Any = Call(channel, dated)
    try:
        await on_time(contract, error_s, lambda: NOW_S * SECOND_NS)(call)
    except Refusal as refusal:
        return str(refusal)
    return ""


@pytest.mark.parametrize(
    ("seconds", "nanos", "says"),
    [
        (NOW_S, 0, ""),
        (NOW_S + 30, 0, ""),
        (NOW_S - 30, 0, ""),
        (NOW_S + 30, 1, "ahead of"),
        (NOW_S - 31, 999_999_999, "behind"),
        (NOW_S + 3600, 0, "ahead of"),
        (0, 0, "behind"),  # 1970, and a proposal that no peer passed on
        (-(2**63), -(2**31), "behind"),
        (2**63 - 1, 2**31 - 1, "ahead of"),
    ],
)
async def test_a_live_channel_takes_what_is_dated_now(seconds: int, nanos: int, says: str) -> None:
    said = await answer({"live": 30}, "live", Timestamp(seconds, nanos))
    assert bool(said) == bool(says)
    assert says in said
    if said:
        assert said.startswith(f"{CODE}: the proposal is dated {seconds} s since 1970, more than 30 s")


@pytest.mark.parametrize(
    ("error_s", "channel", "refused"),
    [
        ({}, "simulated", False),
        ({"live": 30}, "simulated", False),
        ({"live": 30, "other": 5000}, "other", False),
        ({EVERY_CHANNEL: 30}, "any", True),
        ({EVERY_CHANNEL: 5000, "any": 30}, "any", True),
    ],
)
async def test_each_channel_has_its_bound(error_s: dict[str, int], channel: str, refused: bool) -> None:
    assert bool(await answer(error_s, channel, Timestamp(NOW_S - 3600, 0))) == refused


async def test_the_words_are_the_same_on_every_endorser_whatever_its_clock_says() -> None:
    texts = set()
    for off_s in range(5):

        async def contract(_: Any) -> Response:
            return Response(200)

        call: Any = Call("live", Timestamp(0, 0))
        with pytest.raises(Refusal) as refusal:
            await on_time(contract, {"live": 30}, lambda off_s=off_s: (NOW_S + off_s) * SECOND_NS)(call)
        texts.add(str(refusal.value))
    assert len(texts) == 1


def test_the_bounds_are_read_from_the_environment() -> None:
    config = config_from_environment({**BASE, "CHAINCODE_CLOCK_ERROR_S": "newtown=30,a.b-c=5,*=900"})
    assert config.clock_error_s == {"newtown": 30, "a.b-c": 5, "*": 900}
    assert config_from_environment({**BASE, "CHAINCODE_CLOCK_ERROR_S": ""}).clock_error_s == {}


@pytest.mark.parametrize(
    "text", ["30", "newtown=", "=30", "newtown=0", "newtown=-1", "newtown=1.5", "newtown=x"]
)
def test_a_bound_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="takes channel=seconds"):
        config_from_environment({**BASE, "CHAINCODE_CLOCK_ERROR_S": text})
