# SPDX-License-Identifier: Apache-2.0
"""The demonstration's homes: each enrols by its bundle, as any home does, and lives in a task of its own."""

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ..api.client import ServiceClient
from ..home.book import Book
from ..home.lines import Lines
from ..home.new import new_by_service, read_bundle
from ..home.run import run_home
from ..home.settings import beside, read_settings
from ..meters.clock import Clock
from .sample import BEGINS, PERIOD_S, SPEED, SampleHome

SETTINGS = "home.yaml"
_COUNTED_BEFORE = 2  # periods that a new home's meter has counted already: it knows what it uses
_ENROLMENT_PAUSE_S = 0.5


def settings_file(folder: Path, home: str) -> Path:
    """A home's home.yaml."""
    return folder / "homes" / home / SETTINGS


def ids_of(folder: Path) -> list[str]:
    """The homes' ids in the order of `homes.csv`, as `homes add` drew them."""
    register = json.loads((folder / "homes.json").read_text("utf-8"))
    lines = sorted(register.items(), key=lambda item: int(item[0].rpartition(":")[2]))
    return [about["home"] for _, about in lines]


async def enrol(folder: Path, home: str, sample: SampleHome) -> None:
    """Make a home's files, and wait until its key is set; a home that has them lives on with them."""
    path = settings_file(folder, home)
    done = path.with_name("enrolled")
    if done.exists():
        return
    bundle = read_bundle(folder / "bundles" / f"{home}.json")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name("trace.csv").write_text(sample.trace, "utf-8")
        path.with_name("service.pem").write_text(bundle.service_certificate)
        about = {"home": bundle.home, "net": bundle.net, "channel": bundle.channel}
        path.write_text(yaml.safe_dump({**about, **_settings(bundle.service, sample)}, sort_keys=False))
        _begin_the_day(path)
    enrolment = await new_by_service(bundle, path, "replay")
    async with ServiceClient(bundle.service, bundle.service_certificate.encode()) as service:
        while enrolment.state == "waiting":
            await asyncio.sleep(_ENROLMENT_PAUSE_S)
            enrolment = await service.enrolment(home, bundle.code)
    done.touch()


def _settings(service: str, sample: SampleHome) -> Mapping[str, Any]:
    settings: dict[str, Any] = {
        "key": "message_key.pem",
        "journal": "home.journal",
        "carriers": [{"service": service, "authority": "service.pem"}],
        "meter": {
            "kind": "replay",
            "file": "trace.csv",
            "speed": SPEED,
            "start": BEGINS,
            "every_s": 5,
        },
        "forecast": "persistence",
        "bid_before_gate_s": 15,
    }
    if sample.battery is not None:
        settings["battery"] = sample.battery
    return settings


def _begin_the_day(path: Path) -> None:
    """Let the replay begin some whole periods ago: a home that knows nothing of its use cannot bid."""
    now = int(time.time())
    with Book(beside(path, read_settings(path).book)) as book:
        book.note("replay begins", str(now - now % PERIOD_S - _COUNTED_BEFORE * PERIOD_S))


async def live(folder: Path, home: str) -> None:
    """Run a home until cancelled; what it says to its household goes to `home.log`."""
    path = settings_file(folder, home)
    with path.with_name("home.log").open("a", buffering=1) as log:
        lines = Lines(Clock(), lambda line: print(line, file=log))
        await run_home(read_settings(path), path, lines=lines)
