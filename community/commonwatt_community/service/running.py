# SPDX-License-Identifier: Apache-2.0
"""A service from start to end: its parts put together, its listener, and what goes on beside requests."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from commonwatt_client import (
    ClientError,
    Connection,
    RetryPolicy,
    Timeouts,
    connect,
)
from commonwatt_client.errors import ConfigurationError
from commonwatt_client.network_file import MARKET, read_network_file
from commonwatt_client.profile import network_file_peers, network_file_user

from ..market.attestations import AttestationsIfThere, exchange_named
from ..market.carrier import Carrier
from ..market.exchange import ExchangeMarket, exchange_of
from ..market.forward import FORWARD, ForwardMarket, organizations_of
from ..market.receipts import Service
from ..market.refused import Refused
from ..messages.signing_key import SigningKey
from ..portal.routes import add_pages
from ..portal.settings import PortalSettings, read_portal_settings
from ..secret_file import write_secret
from . import audit_log
from .app import application
from .events import Hub
from .forgetting import forget_what_the_ledger_forgot
from .heard import CONFIGURED, FORGOTTEN, KEY_RECOVERY, Heard
from .invitations import Invitations
from .ledger import Ledger
from .outbox import Outbox
from .parts import Parts
from .passphrases import Passphrases
from .settings import DATABASE, POSSESSION, Settings
from .store import Store, StoreFailed
from .tls import own_certificate, server_context

_TIMEOUTS = Timeouts(evaluate_s=5.0, endorse_s=10.0, submit_s=5.0, commit_status_s=30.0)
_READS = RetryPolicy(max_tries=3, first_pause_s=0.05, longest_pause_s=0.2)
_PROBE_S = 2.0
_TIDY_S = 3_600.0
_CLOSE_S = 10.0

_log = logging.getLogger("commonwatt_community")


@dataclass(frozen=True)
class Running:
    """A service that listens: its address, the certificate that clients pin (None behind a proxy), and its parts."""

    url: str
    certificate: Path | None
    parts: Parts


class _Receipts:
    """The signer of receipts, once its key is the newest of this carrier on the ledger."""

    def __init__(self, settings: Settings, key: SigningKey, mspid: str, ledger: Ledger) -> None:
        self._settings = settings
        self._key = key
        self._ledger = ledger
        self._carrier = f"{mspid}.{settings.carrier}"
        self.service: Service | None = None

    async def look(self) -> None:
        """Ask the ledger for the carrier's keys; leave the message that brings ours where it lacks it."""
        if self.service is not None:
            return
        net = (await self._ledger.standing()).configuration.net
        service = Service(
            self._key, net, self._settings.channel, self._carrier, self._settings.deliver_within_s
        )
        self._ledger.key_changed("carrier", self._carrier)
        record = await self._ledger.keys("carrier", self._carrier)
        versions = record.versions if record else ()
        if versions and versions[-1].key.kid == self._key.public.kid:
            self.service = service
            _log.info("%s gives receipts", self._carrier)
            return
        possession = self._settings.folder / POSSESSION
        if not possession.exists():
            write_secret(possession, service.brings_key(len(versions) + 1))
            _log.warning(
                "the ledger lacks the key of %s: its organisation's operator runs `commonwatt service set-key %s`",
                self._carrier,
                possession,
            )


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Running]:
    """A service that runs until the block ends. ConfigurationError, UsageError for settings that cannot be served."""
    settings.check()
    network = read_network_file(settings.network, homes=False)
    mspid = str(network.content["organizations"][settings.organization]["mspid"])
    key, keys = settings.receipts_key(), settings.invitation_keys()
    async with AsyncExitStack() as stack:
        store = Store(settings.folder / DATABASE)
        stack.callback(store.close)
        connection = Connection(network_file_peers(settings.network, settings.organization))
        await stack.enter_async_context(connection)
        identity, signer = network_file_user(settings.network, settings.organization, settings.user)
        gateway = connect(connection, identity=identity, signer=signer, timeouts=_TIMEOUTS)
        channel = gateway.get_network(settings.channel)
        contract = channel.get_contract(MARKET, FORWARD)
        organizations = organizations_of(network.content, network.path, settings.channel)
        ledger = Ledger(ForwardMarket(contract, organizations, retry=_READS), settings.channel)
        receipts = _Receipts(settings, key, mspid, ledger)
        writing = ForwardMarket(contract, organizations)

        async def exchange() -> ExchangeMarket | None:
            named = exchange_named((await ledger.standing()).configuration, network)
            return None if named is None else exchange_of(gateway, network, named)

        def told(home: str, digest: str, result: str, seconds: float) -> None:
            parts.meters.carried(result, seconds)
            parts.hub.tell_home(home, "receipt", {"digest": digest, "result": result})

        async def reacts(heard: Heard) -> None:
            await _reacted(parts, heard)

        parts = Parts(
            settings.names,
            store,
            ledger,
            Outbox(store, Carrier(writing), writing, told, settings.limits),
            Hub(channel, ledger, store, reacts),
            Invitations(*keys),
            Passphrases(),
            lambda: receipts.service,
            rates=settings.rates,
            attestations=AttestationsIfThere(exchange, settings.channel),
            portal=read_portal_settings(settings.portal) if settings.portal else PortalSettings(),
        )
        running = await _listen(settings, parts, stack)
        left = parts.outbox.start()
        if left:
            _log.info("the service carries %d messages that an earlier process left", left)
        for beside in (parts.hub.run(), _watch(ledger, receipts), _tidy(parts)):
            task = asyncio.create_task(beside)
            stack.push_async_callback(_ended, task)
        try:
            yield running
        finally:
            parts.is_stopping = True
            parts.hub.end_all()
            await parts.outbox.close(_CLOSE_S)


async def _listen(settings: Settings, parts: Parts, stack: AsyncExitStack) -> Running:
    certificate, context = settings.certificate, None
    if not settings.is_plain:
        if certificate is None or settings.key is None:
            certificate, key = own_certificate(settings.folder, settings.names or (settings.host,))
        else:
            key = settings.key
        context = server_context(certificate, key)
    app = application(parts, settings.proxies)
    add_pages(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0, handler_cancellation=True)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, settings.host, settings.port, ssl_context=context)
    try:
        await site.start()
    except OSError as error:
        raise ConfigurationError(
            f"the service cannot listen on {settings.host}:{settings.port}: {error.strerror}; choose another --port"
        ) from error
    port = runner.addresses[0][1]
    if not parts.names:
        parts.names = (f"{settings.host}:{port}",)
    scheme = "http" if settings.is_plain else "https"
    return Running(f"{scheme}://{parts.names[0]}", certificate, parts)


async def _watch(ledger: Ledger, receipts: _Receipts) -> None:
    """Know whether the peer answers, and whether the key of receipts stands on the ledger."""
    while True:
        try:
            await ledger.probe()
            await receipts.look()
        except (ClientError, Refused, StoreFailed, TimeoutError) as error:
            _log.info("the peer does not answer: %s", type(error).__name__)
        await asyncio.sleep(_PROBE_S)


async def _tidy(parts: Parts) -> None:
    while True:
        try:
            await parts.outbox.drop_old()
            await audit_log.drop_old(parts.store)
        except StoreFailed as error:
            _log.error("%s", error)
        await asyncio.sleep(_TIDY_S)


async def _reacted(parts: Parts, heard: Heard) -> None:
    if heard.name == CONFIGURED:
        parts.ledger.configured()
    elif heard.name == KEY_RECOVERY:
        parts.ledger.key_changed(str(heard.data.get("author")), str(heard.data.get("home")))
    elif heard.name == FORGOTTEN:
        parts.homes.forget()
        await forget_what_the_ledger_forgot(parts.store, parts.ledger)


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
