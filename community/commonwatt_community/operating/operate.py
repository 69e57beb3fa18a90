# SPDX-License-Identifier: Apache-2.0
"""An operator from its community's folder: connected, with all of its chores, until it is cancelled."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from commonwatt_client.network_file import NetworkFile

from commonwatt_community.founding.codes import HOME, key_of, load_secret
from commonwatt_community.founding.folder import Folder, require_secrets
from commonwatt_community.together import together

from .alarming import Alarming
from .anchoring import Anchoring
from .books import Books
from .cut_off import CutOff
from .due import Community
from .enrolling import Enrolling, FolderOfEnrolments
from .exchanging import Exchanging
from .gates import Gates
from .looking_back import LookingBack
from .loop import Chore, accepted_as_operator, keep_doing
from .page import LOOPBACK, page
from .publishing import Publishing
from .reading import Ledger
from .service_access import service_of
from .telling import Telling
from .watching import Watching


@dataclass(frozen=True)
class Options:
    """How to operate.

    Attributes:
        grid: USER@ORGANISATION, which confirms homes; None: as community.yaml says, or none.
        port: of `/healthz` and `/metrics`; 0 leaves it to the system, None serves no page.
    """

    grid: str | None = None
    port: int | None = None
    telling: Telling = field(default_factory=Telling)


async def operate(folder: Folder, network: NetworkFile, options: Options) -> None:
    """Operate a community until cancelled.

    Raises:
        Stopped: the identity may not, or another version of a file stands.
        UsageError, ConfigurationError: something in the folder is missing.
        Refused, GatewayError: the first question failed: there is no network, or no such market.
    """
    require_secrets(folder)
    codes_key = key_of(load_secret(folder.codes_key), HOME)
    telling = options.telling
    async with AsyncExitStack() as stack:
        market = await stack.enter_async_context(folder.operator(network))
        grid = None
        if options.grid is not None or folder.community.grid is not None:
            grid = await stack.enter_async_context(folder.grid(network, options.grid))
        await accepted_as_operator(market, telling)
        ledger = Ledger(market)
        community, _ = await ledger.community()
        if options.port is not None:
            port = await stack.enter_async_context(page(telling, options.port))
            telling.say(f"http://{LOOPBACK}:{port}/metrics and /healthz show the operator's health")
        telling.say(
            f"operates {folder.community.name} on channel {folder.community.channel}: {len(community.homes)} homes"
            + (", confirms as the grid" if grid is not None else "")
        )
        service = service_of(folder, network, community.configuration.net)
        region = await stack.enter_async_context(_region(folder, network, ledger, community, telling))
        books = Books(ledger, telling, region.exchanging.want) if region else Books(ledger, telling)
        chores: dict[str, Chore] = {
            "gates": Gates(ledger, telling, region.cut_off if region else None),
            "books": books,
            "late readings": LookingBack(ledger, books, telling),
            "watch": Watching(ledger, telling),
            "enrolments": Enrolling(
                ledger, [FolderOfEnrolments(folder.enrolments)], codes_key, grid, telling
            ),
            "files": Publishing(ledger, grid, folder.tariff_file, folder.envelopes_file, telling),
        }
        if region is not None:
            chores |= {"exchange": region.exchanging, "anchors": region.anchoring}
        if service is not None:
            await stack.enter_async_context(service)
            chores["enrolments at the service"] = Enrolling(ledger, [service], codes_key, None, telling)
            chores["alarms"] = Alarming(service, telling)
        await side_by_side(chores, ledger, telling)


@dataclass(frozen=True)
class _Region:
    """What a community does on its exchange."""

    cut_off: CutOff
    exchanging: Exchanging
    anchoring: Anchoring


@asynccontextmanager
async def _region(
    folder: Folder, network: NetworkFile, ledger: Ledger, community: Community, telling: Telling
) -> AsyncIterator[_Region | None]:
    """The chores of a community whose newest rules name an exchange; None for one that trades alone."""
    named = community.configuration.rules[-1].exchange
    if named is None:
        yield None
        return
    channel = folder.community.channel
    async with (
        folder.exchange(network, named.channel) as exchange,
        folder.newest_block(network) as newest_block,
    ):
        cut_off = CutOff(exchange, channel, telling)
        telling.say(f"trades with other communities on channel {named.channel}")
        yield _Region(
            cut_off,
            Exchanging(ledger, exchange, channel, cut_off, telling),
            Anchoring(ledger, exchange, channel, newest_block, telling),
        )


async def side_by_side(chores: dict[str, Chore], ledger: Ledger, telling: Telling) -> None:
    """Run chores until one of them cannot go on."""

    async def now_s() -> int:
        return (await ledger.market.get_configuration()).now_s

    await together(*(keep_doing(name, chore, now_s, telling) for name, chore in chores.items()))
