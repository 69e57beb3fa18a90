# SPDX-License-Identifier: Apache-2.0
"""`commonwatt homes add`: registers homes, and hands each a bundle. A second run goes on where the first stopped."""

import base64
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from commonwatt_chaincode.market.forward.gates import counts_from
from commonwatt_client.errors import ConfigurationError
from commonwatt_client.exit_codes import CommandError

from commonwatt_community.market.forward import ForwardMarket
from commonwatt_community.market.results import Home
from commonwatt_community.secret_file import write_secret

from .bundles import Invited, good_bundle, write_bundle
from .folder import Folder
from .homes_file import NewHome

MOST_HOMES = 200
"""Homes that one transaction registers."""

NOT_SAID = frozenset({"line", "home", "key_ppm"})
"""What a line may change without being about another home."""

Json = dict[str, Any]


class HomeDiffers(CommandError):
    """A home of the file is registered otherwise."""


@dataclass(frozen=True)
class Added:
    """A home of the file with its id."""

    home: str
    new: NewHome

    def argument(self) -> Json:
        """The argument of `register_home`."""
        names = ("home_class", "connection_w", "pv_w", "battery_w", "storage_wh")
        return {"home": self.home, **{name: getattr(self.new, name) for name in names}}


def with_ids(folder: Folder, file: Path, homes: Sequence[NewHome]) -> list[Added]:
    """Each home with its id: the one that it states, or one that is drawn once and kept in the folder.

    Raises:
        HomeDiffers: a line without an id became a home, and says something else by now.
    """
    register = _register(folder.register)
    added = []
    for new in homes:
        place = f"{file.name}:{new.line}"
        said = {name: value for name, value in asdict(new).items() if name not in NOT_SAID}
        known = register.get(place)
        if new.home is not None:
            home = new.home
        elif known is None:
            home = drawn_id()
        elif known["said"] != said:
            raise HomeDiffers(
                f"{file}:{new.line}: this line became home {known['home']} and has changed since; add homes "
                "at the end of the file, and state the id of a home whose line changes"
            )
        else:
            home = known["home"]
        register[place] = {"home": home, "said": said}
        added.append(Added(home, new))
    write_secret(folder.register, json.dumps(register, indent=1, sort_keys=True).encode())
    return added


def homes_of_meters(folder: Folder) -> dict[str, str]:
    """The home of each meter that a line of a homes' file named."""
    register = _register(folder.register)
    return {one["said"]["nmi"]: one["home"] for one in register.values() if one["said"].get("nmi")}


def drawn_id() -> str:
    """Ten characters of a-z and 2-7, drawn: a street's name does not lead to its homes on the ledger."""
    return base64.b32encode(secrets.token_bytes(7)).decode().lower()[:10]


async def add_homes(
    folder: Folder, added: Sequence[Added], market: ForwardMarket, say: Callable[[str], None], life_s: int
) -> None:
    """Register what is not registered, set sharing keys, and write the bundles of homes that do not take part yet.

    Raises:
        HomeDiffers: a home is registered with another connection; nothing was written.
        Refused, GatewayError: the contract or the network refused.
    """
    known = {one.home: one for one in await market.list_homes()}
    _check(folder, added, known)
    wanted = [one for one in added if one.home not in known]
    for some in _slices(wanted, MOST_HOMES):
        await market.register_homes([one.argument() for one in some])
        say(f"registered {len(some)} homes, from {some[0].home} to {some[-1].home}")
    if len(wanted) < len(added):
        say(f"{len(added) - len(wanted)} homes are registered already")
    await _share(added, market, say)
    expires_s = int(time.time()) + life_s
    standing = await market.get_configuration()
    for one in added:
        if one.home in known and known[one.home].versions:
            continue
        if (path := good_bundle(folder, one.home)) is None:
            path = write_bundle(folder, Invited(one.home, standing.configuration.net, expires_s))
        to = f" for {one.new.e_mail}" if one.new.e_mail else ""
        say(f"home {one.home}: {path}{to}")


def _check(folder: Folder, added: Sequence[Added], known: Mapping[str, Home]) -> None:
    for one in added:
        home = known.get(one.home)
        if home is None:
            continue
        connection = home.proposed or home.versions[-1].connection
        stands = (home.home_class, *connection, home.storage_wh)
        new = one.new
        if stands != (new.home_class, new.connection_w, new.pv_w, new.battery_w, new.storage_wh):
            raise HomeDiffers(
                f"line {new.line}: home {one.home} is registered as {home.home_class} with connection_w "
                f"{connection.connection_w}, pv_w {connection.pv_w}, battery_w {connection.battery_w}, storage_wh "
                f"{home.storage_wh}; nothing was changed"
            )


async def _share(added: Sequence[Added], market: ForwardMarket, say: Callable[[str], None]) -> None:
    """Set static sharing keys from the first period whose window is not open."""
    keys = {one.home: one.new.key_ppm for one in added if one.new.key_ppm is not None}
    if not keys:
        return
    from_period = await first_unopened(market)
    standing = await market.get_sharing_keys(from_period)
    wanted = {**standing, **keys}
    if wanted == standing:
        return
    await market.set_sharing_keys(from_period, wanted)
    say(f"set the sharing keys of {len(wanted)} homes from period {from_period} on")


async def first_unopened(market: ForwardMarket) -> int:
    """The first period after all windows that can be open by now."""
    standing = await market.get_configuration()
    configuration = standing.configuration
    widest = max((one.times for one in configuration.rules), key=lambda times: times.opens_before_s)
    # A minute's grace: the transaction comes later than this question.
    return counts_from(standing.now_s + 60, widest, configuration.lengths, configuration.offsets)


def _register(path: Path) -> Json:
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}; restore it from a backup") from error
    return dict(found)


def _slices(items: Sequence[Added], size: int) -> Iterator[Sequence[Added]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
