# SPDX-License-Identifier: Apache-2.0
"""Ten households on one machine. `homes.py enrol` makes their keys; `homes.py run` runs their agents until Ctrl-C."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import yaml

PORT = int(os.environ.get("MQTT_PORT", "1883"))


def enrol() -> None:
    """A key and a home.yaml for each bundle; the meter's topic is `meter/ID`."""
    for bundle in sorted(Path("bundles").glob("*.json")):
        file = Path("homes") / bundle.stem / "home.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        command = ["commonwatt", "home", "new", "--bundle", str(bundle), "--meter", "mqtt", str(file)]
        subprocess.run(command, check=True)
        settings = yaml.safe_load(file.read_text())
        topic = f"meter/{bundle.stem}"
        settings["meter"]["broker"] = {"host": "127.0.0.1", "port": PORT}
        settings["meter"]["imports"]["topic"] = settings["meter"]["exports"]["topic"] = topic
        settings["forecast"] = "persistence"  # it needs no data of yesterday
        settings.pop("page", None)  # ten pages would share one port
        file.write_text(yaml.safe_dump(settings, sort_keys=False))


def run() -> None:
    """An agent for each home; all end together."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    agents = [
        subprocess.Popen(["commonwatt", "home", "run", str(file)])
        for file in sorted(Path("homes").glob("*/home.yaml"))
    ]
    try:
        for agent in agents:
            agent.wait()
    except KeyboardInterrupt:
        for agent in agents:
            agent.send_signal(signal.SIGINT)
        for agent in agents:
            try:
                agent.wait(20)
            except subprocess.TimeoutExpired:
                agent.terminate()
    sys.exit(max((abs(agent.wait()) for agent in agents), default=2))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["enrol"]:
            enrol()
        case ["run"]:
            run()
        case _:
            sys.exit(__doc__)
