# SPDX-License-Identifier: Apache-2.0
"""`exchange.yaml`: what the grid founds a region's exchange with, and which links it sets. Mistakes have their line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple, Self

from commonwatt_client.exit_codes import UsageError
from commonwatt_client.yaml_models import MistakesError, parse_model
from pydantic import Field, model_validator

from commonwatt_community.founding.community_file import Part, UserOfFile

FILE = "exchange.yaml"


class LinkTermsFile(Part):
    """What may flow over a link in each period in Wh, and the grid's fee in µAUD per kWh."""

    limit_wh: int = Field(ge=0, le=10**9)
    fee: int = Field(default=0, ge=0)


class LinkFile(LinkTermsFile):
    """A link from one community to another, by their channels."""

    seller: str
    buyer: str


class WantedLink(NamedTuple):
    """A link as it is to stand."""

    seller: str
    buyer: str
    limit_wh: int
    fee: int


class ExchangeFile(Part):
    """A whole exchange. ``link`` are the terms of each pair of communities that ``links`` does not name."""

    channel: str
    grid: UserOfFile
    communities: list[str] = Field(min_length=2, max_length=100)
    network: str | None = None
    clock: Literal["live", "simulated"] = "live"
    at_s: int | None = None
    due_before_s: int = Field(default=180, ge=1, le=86_400)
    void_before_s: int = Field(default=60, ge=0, le=86_400)
    link: LinkTermsFile | None = None
    links: list[LinkFile] = Field(default_factory=list, max_length=1_000)

    @model_validator(mode="after")
    def _as_the_contract_takes_it(self) -> Self:
        found = tuple(self._mistakes())
        if found:
            raise MistakesError(found)
        return self

    def _mistakes(self) -> Iterator[tuple[str, tuple[str | int, ...]]]:
        if self.void_before_s >= self.due_before_s:
            yield "void_before_s: is less than due_before_s, so that a round has time", ("void_before_s",)
        if (self.at_s is not None) != (self.clock == "simulated"):
            yield "at_s: is the time of a simulated clock; a live one has none", ("at_s",)
        if len(set(self.communities)) < len(self.communities):
            yield "communities: names each community once", ("communities",)
        seen: set[tuple[str, str]] = set()
        for number, link in enumerate(self.links):
            pair = link.seller, link.buyer
            if link.seller == link.buyer or not set(pair) <= set(self.communities):
                yield "a link joins two of the communities above", ("links", number)
            if pair in seen:
                yield "names a link that stands above", ("links", number)
            seen.add(pair)

    def wanted(self) -> list[WantedLink]:
        """All links, each pair once."""
        found = [WantedLink(one.seller, one.buyer, one.limit_wh, one.fee) for one in self.links]
        if self.link is not None:
            named = {one[:2] for one in found}
            found += [
                WantedLink(seller, buyer, self.link.limit_wh, self.link.fee)
                for seller in self.communities
                for buyer in self.communities
                if seller != buyer and (seller, buyer) not in named
            ]
        return found


def read_exchange_file(path: Path) -> ExchangeFile:
    """The exchange in a YAML file. UsageError, of mistakes one line each: ``file:line: mistake``."""
    file = path / FILE if path.is_dir() else path
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise UsageError(f"{file} cannot be read: {reason}") from error
    return parse_model(
        ExchangeFile,
        text,
        str(file),
        "an exchange is a mapping with channel, grid, communities and so on",
    )
