# SPDX-License-Identifier: Apache-2.0
"""Ten smart meters: each says its running totals on its topic `meter/ID` once a second, until Ctrl-C.

h01 to h03 have panels and export, the others import. Put your own meters in their place: homes.py names the topics.
"""

import asyncio
import json
import os
import sys
import time

import aiomqtt

EXPORTING = ("h01", "h02", "h03")
HOMES = [f"h{number:02}" for number in range(1, 11)]


def power_w(home: str) -> int:
    """What flows, positive for import; a little different in each home."""
    number = int(home[1:])
    return -2_400 - 100 * number if home in EXPORTING else 900 + 50 * number


async def main(port: int) -> None:
    """Count and publish. Totals begin with the seconds since 1970, so that a restart never counts back."""
    async with aiomqtt.Client("127.0.0.1", port) as broker:
        while True:
            for home in HOMES:
                wh = power_w(home) * time.time() / 3_600
                totals = {"Import": max(wh, 0.0) / 1_000, "Export": max(-wh, 0.0) / 1_000}
                await broker.publish(f"meter/{home}", json.dumps({"ENERGY": totals}))
            await asyncio.sleep(1)


if __name__ == "__main__":
    try:
        asyncio.run(main(int(os.environ.get("MQTT_PORT", "1883"))))
    except KeyboardInterrupt:
        pass
    except (aiomqtt.MqttError, OSError) as error:
        sys.exit(f"meters.py: {error}; start the broker: mosquitto -c mosquitto.conf")
