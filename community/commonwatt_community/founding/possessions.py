# SPDX-License-Identifier: Apache-2.0
"""First keys of homes and meters that come as files: each holds a ``cw-key`` message that shows possession."""

from collections.abc import Callable
from pathlib import Path

from commonwatt_chaincode.messages.fields import KEY
from commonwatt_chaincode.messages.message import Message, read
from commonwatt_chaincode.messages.refusals import MessageRefused
from commonwatt_client.exit_codes import UsageError

from commonwatt_community.market.forward import ForwardMarket
from commonwatt_community.market.refused import Refused

LARGEST_FILE = 16_384
AUTHORS = ("home", "meter")


def read_possessions(folder: Path) -> dict[Path, Message]:
    """The messages of all files ``*.possession`` of a folder.

    Raises:
        UsageError: a file is none; nothing was done.
    """
    found = {}
    files = sorted(folder.glob("*.possession"))
    if not files:
        raise UsageError(f"{folder} holds no file that ends in .possession")
    for file in files:
        try:
            content = file.read_bytes()[: LARGEST_FILE + 1].strip()
            message = read(content)
        except (OSError, MessageRefused) as error:
            raise UsageError(f"{file} holds no message that shows possession of a key: {error}") from error
        if message.typ != KEY or message.payload["author"] not in AUTHORS:
            raise UsageError(f"{file} is no message of a home's or a meter's key")
        found[file] = message
    return found


async def set_keys(
    market: ForwardMarket, possessions: dict[Path, Message], say: Callable[[str], None]
) -> int:
    """Set the keys that are not set; how many the contract refused.

    Raises:
        GatewayError: the network failed; run it again.
    """
    refusals = 0
    for file, message in possessions.items():
        author = str(message.payload["author"])
        try:
            await market.set_key(author, message.home, file.read_bytes().strip())
        except Refused as refused:
            refusals += 1
            say(f"{file}: {refused}")
        else:
            say(f"{file}: the first key of {author} {message.home} is set")
    return refusals
