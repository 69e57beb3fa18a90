# SPDX-License-Identifier: Apache-2.0
"""fabric-sdk-py on one of our networks: `python query_and_invoke.py SETTINGS.json` prints one JSON object.

Settings: profile (its dialect), organization, user, channel, chaincode, key, peers and count. Runs in an
environment of its own: it cannot share a process with hyperledger-fabric-protos.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from hfc.fabric import Client


async def main(settings):
    client = Client(net_profile=settings["profile"])
    requestor = client.get_user(org_name=settings["organization"], name=settings["user"])
    client.new_channel(settings["channel"])
    common = {
        "requestor": requestor,
        "channel_name": settings["channel"],
        "cc_name": settings["chaincode"],
    }
    began, cpu_before = time.perf_counter(), time.process_time()
    invoked = []
    for number in range(settings["count"]):
        invoked.append(
            await client.chaincode_invoke(
                **common,
                peers=settings["peers"],
                fcn="put",
                args=[f"{settings['key']}{number}", "by fabric-sdk-py"],
                wait_for_event=True,
                wait_for_event_timeout=20,
            )
        )
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu_before
    queried = await client.chaincode_query(
        **common, peers=settings["peers"][:1], fcn="get", args=[f"{settings['key']}0"]
    )
    return {"invoked": invoked, "queried": queried, "seconds": seconds, "cpu_s": cpu_s}


print(json.dumps(asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))))
