# SPDX-License-Identifier: Apache-2.0
"""Which images an organisation's rendered files name, and what another rendering changes of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from commonwatt_network.consortium.host import OwnHost
from commonwatt_network.consortium.rendering import containers_of
from commonwatt_network.consortium.values import settle_values
from commonwatt_network.model.layout import write_atomically

RECORD = "rendered.json"
CHAINCODE = "chaincode"


@dataclass(frozen=True)
class Rendered:
    """What the files name: the kinds orderer, peer and chaincode -> image, and the chaincode's `version`."""

    version: str
    images: Mapping[str, str]


@dataclass(frozen=True)
class Changes:
    """A rendering beside the one before, in words. `warning` is empty unless the contract's image is in doubt."""

    news: tuple[str, ...]
    warning: str = ""


def note_images(host: OwnHost, values_file: Path | None = None) -> Changes:
    """Note the images that the files of `render_host` name now, and say how they differ from those of the last time.

    `values_file`: the one that the files were rendered with. Raises UsageError for values that do not fit.
    """
    chaincode = host.description.chaincode
    now = Rendered(chaincode.version, settle_values(containers_of(host), values_file).images)
    record = host.layout.configuration / RECORD
    before = _read(record)
    write_atomically(record, json.dumps({"version": now.version, "images": dict(now.images)}) + "\n")
    named = ", ".join(f"{kind} {image}" for kind, image in now.images.items())
    news = [f"the files name these images: {named} ({chaincode.name} {now.version})"]
    if before is None:
        return Changes(tuple(news))
    news += _changes(chaincode.name, before, now)
    return Changes(tuple(news), _warning(chaincode.name, before, now))


def _read(record: Path) -> Rendered | None:
    """A record that is missing or damaged tells nothing; the next one takes its place."""
    try:
        content = json.loads(record.read_bytes())
        return Rendered(
            str(content["version"]), {str(kind): str(image) for kind, image in content["images"].items()}
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _changes(name: str, before: Rendered, now: Rendered) -> Iterator[str]:
    for kind, image in now.images.items():
        former = before.images.get(kind, image)
        if former == image:
            continue
        if kind != CHAINCODE:
            yield f"{kind}: image {image}, until now {former}"
        elif before.version != now.version:
            yield f"{name} {now.version} is in image {image}; {name} {before.version} was in {former}"


def _warning(name: str, before: Rendered, now: Rendered) -> str:
    image = now.images[CHAINCODE]
    former = before.images.get(CHAINCODE, image)
    if image == former or before.version != now.version:
        return ""
    return (
        f"{name} {now.version} was served from image {former}, and these files name {image} under the same version. "
        "Where organisations run different code, their results differ and transactions fail. To keep the former image, "
        f'write `images: {{chaincode: "{former}"}}` into organization.yaml, then repeat `commonwatt org init` and this '
        f"command. If {image} holds other code, give `chaincode.version` another value there, and let the members "
        "agree by `commonwatt org upgrade`"
    )
