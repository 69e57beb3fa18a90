# SPDX-License-Identifier: Apache-2.0
"""The operator publishes its tariff and envelope files by compare-and-set: each names the version that it replaces, and
where another one stands, the operator stops and says so."""

from collections.abc import Sequence
from pathlib import Path

from commonwatt_chaincode.market.forward.envelopes import Envelope
from commonwatt_chaincode.market.tariff import MINUTE_S
from commonwatt_client.exit_codes import UsageError

from commonwatt_community.market.forward import ForwardMarket
from commonwatt_community.market.refused import Refused
from commonwatt_community.market.results import Configuration

from .files import EnvelopesFile, NewTariffFile, read_envelopes_file, read_tariff_file
from .loop import Stopped
from .reading import Ledger
from .telling import Alarm, Telling

EVERY_S = 10
OTHER_VERSION = "other_version"


def is_published(file: NewTariffFile, configuration: Configuration) -> bool:
    """Whether the last tariff that was published is the one of a file."""
    last = configuration.tariffs[-1]
    if file.from_day is not None and last.from_day != file.from_day:
        return False
    known = {one.day for one in configuration.holidays}
    return last == file.tariff.version(last.from_day, last.published_s) and known >= set(
        file.argument().get("holidays", ())
    )


def missing(
    file: EnvelopesFile, wanted: Sequence[Envelope], standing: Sequence[Envelope]
) -> tuple[list[Envelope], Envelope | None]:
    """The envelopes to publish, and one of another author that is newer than the file's author had seen."""
    have = {_said(one) for one in standing}
    others = [one for one in standing if _said(one) not in {_said(mine) for mine in wanted}]
    newer = max(
        (one for one in others if one.published_s > file.replaces_published_s), default=None, key=_published_s
    )
    return [one for one in wanted if _said(one) not in have], newer


def _published_s(one: Envelope) -> int:
    return one.published_s


def _said(one: Envelope) -> tuple[object, ...]:
    return one[:-1]


class Publishing:
    """The two files of a community's folder, looked at again and again: a file that changes is published."""

    def __init__(
        self, ledger: Ledger, grid: ForwardMarket | None, tariff: Path, envelopes: Path, telling: Telling
    ) -> None:
        self._ledger = ledger
        self._grid = grid
        self._tariff = tariff
        self._envelopes = envelopes
        self._telling = telling
        self._read_once = False

    async def run(self) -> int | None:
        """Publish what is new.

        Raises:
            Stopped: another version stands.
            UsageError: a file has mistakes at the start; later ones are told, and the market goes on.
        """
        community, now_s = await self._ledger.community()
        try:
            tariff = read_tariff_file(self._tariff)
            envelopes = read_envelopes_file(self._envelopes)
        except UsageError as error:
            if not self._read_once:
                raise
            self._telling.alarm(
                Alarm("file", f"a file has mistakes, so nothing is published: {error}", now_s)
            )
            return now_s + EVERY_S
        self._read_once = True
        self._telling.over("file")
        if tariff is not None:
            await self._publish_tariff(tariff, community.configuration)
        if envelopes is not None:
            await self._publish_envelopes(envelopes, community.configuration, now_s)
        return now_s + EVERY_S

    async def _publish_tariff(self, file: NewTariffFile, configuration: Configuration) -> None:
        if is_published(file, configuration):
            return
        if configuration.version != file.replaces:
            raise Stopped(_another_stands(self._tariff, file.replaces, configuration.version))
        try:
            done = await self._ledger.market.configure(file.replaces, **file.argument())
        except Refused as refused:
            if refused.code != OTHER_VERSION:
                raise
            standing = (await self._ledger.market.get_configuration()).configuration
            if is_published(file, standing):
                return  # another operator has the same file, and was faster
            raise Stopped(_another_stands(self._tariff, file.replaces, standing.version)) from refused
        self._telling.did(
            "publish_tariff",
            f"published {self._tariff.name} as version {done.version}: it counts from period {done.from_period} on",
        )

    async def _publish_envelopes(self, file: EnvelopesFile, configuration: Configuration, now_s: int) -> None:
        if self._grid is None:
            raise Stopped(
                f"{self._envelopes} is not published: only the grid publishes envelopes. Name its identity by "
                "--grid USER@ORGANISATION, or take the file away"
            )
        wanted = [one.envelope(configuration.offsets) for one in file.envelopes]
        coming = [one for one in wanted if one.to_period * MINUTE_S > now_s]
        standing: dict[tuple[object, ...], Envelope] = {}
        for one in coming:
            for period in {one.from_period, one.to_period - 1}:
                start = self._ledger.period_of(configuration, period)
                for found in (await self._ledger.market.get_envelopes(start)).envelopes:
                    standing[tuple(found)] = found
        new, newer = missing(file, coming, list(standing.values()))
        if newer is not None:
            raise Stopped(
                f"{self._envelopes} replaces envelopes that were published up to {file.replaces_published_s}, and one "
                f"of {newer.published_s} stands for {newer.home or 'all homes'}: look at it, and set "
                f"replaces_published_s: {newer.published_s} to put this file in its place"
            )
        for one in new:
            await self._grid.set_envelope(
                one.from_period, one.to_period, home=one.home, import_w=one.import_w, export_w=one.export_w
            )
            self._telling.did(
                "set_envelope",
                f"published an envelope for {one.home or 'all homes'}, periods {one.from_period} to {one.to_period}",
            )


def _another_stands(path: Path, replaces: int, stands: int) -> str:
    return (
        f"{path} replaces version {replaces} of the configuration, and version {stands} stands with another tariff: "
        f"another operator published it; look at it with `commonwatt community status`, and set replaces: {stands} to "
        "put this file in its place"
    )
