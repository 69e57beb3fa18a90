# SPDX-License-Identifier: Apache-2.0
"""Run inside a host's network namespace, as its router: connections to one address and port go on to another.

forwarding.py LISTEN PORT TARGET TARGET_PORT...
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress


async def forward(listen: str, port: int, target: str, target_port: int) -> None:
    async def pump(source: asyncio.StreamReader, drain: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                drain.write(data)
                await drain.drain()
        drain.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(target, target_port)
        except OSError:
            writer.close()  # the node behind it does not listen yet
            return
        await asyncio.gather(pump(reader, back), pump(there, writer))

    server = await asyncio.start_server(connected, listen, port)
    await server.serve_forever()


async def main(words: list[str]) -> None:
    fours = [words[place : place + 4] for place in range(0, len(words), 4)]
    await asyncio.gather(*(forward(a, int(b), c, int(d)) for a, b, c, d in fours))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
