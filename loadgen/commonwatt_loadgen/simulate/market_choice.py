# SPDX-License-Identifier: Apache-2.0
"""Which market is simulated: the options that count for one alone, and the channels that run the other."""

from collections.abc import Mapping

from commonwatt_client.exit_codes import UsageError
from commonwatt_client.network_file import NetworkFile

EX_POST, FORWARD = "ex_post", "forward"


def check_market(market: str, of_ex_post: Mapping[str, object], of_forward: Mapping[str, object]) -> None:
    """Refuse options that say nothing in this market; those that were not given are None.

    Raises:
        UsageError: the market is unknown, or an option of the other one is given.
    """
    other, foreign = (EX_POST, of_ex_post) if market == FORWARD else (FORWARD, of_forward)
    for option, value in foreign.items():
        if value is not None:
            raise UsageError(f"{option}: counts with --market {other} alone")


def market_on(network: NetworkFile, channel: str) -> str:
    """The market that a channel runs."""
    return str(network.content["channels"][channel].get("market", EX_POST))


def require_channels_with(market: str, network: NetworkFile, advice: str = "") -> None:
    """Make sure that every community's channel runs the market; `advice` replaces what `simulate` says to do.

    Raises:
        UsageError: one runs another; the line of the network file that says so is named.
    """
    for community in network.communities:
        running = market_on(network, community.channel)
        if running != market:
            line = _line_of(network.path.read_text("utf-8"), community.channel)
            raise UsageError(
                f"{network.path}, line {line}: channel {community.channel} runs the market {running}; "
                f"{advice or _advice(running)}. "
                "A channel's market is fixed by `market` in the topology"
            )


def _advice(running: str) -> str:
    return f"`--market {running}` simulates it, and `--in-process` any market without a network"


def _line_of(text: str, channel: str) -> int:
    """Where the file states a channel's market, or names the channel if it states none."""
    lines = text.splitlines()
    channels = next((place for place, line in enumerate(lines) if line.strip().startswith('"channels"')), 0)
    named = next(
        (
            place
            for place, line in enumerate(lines)
            if place > channels and line.strip().startswith(f'"{channel}":')
        ),
        channels,
    )
    for place in range(named + 1, len(lines)):
        if lines[place].strip().startswith('"market": "'):
            return place + 1
        if lines[place].startswith(lines[named][: len(lines[named]) - len(lines[named].lstrip())] + "}"):
            break
    return named + 1
