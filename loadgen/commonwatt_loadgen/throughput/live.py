# SPDX-License-Identifier: Apache-2.0
"""The live page of a throughput test: `/` is the page, `/state` what it shows, as JSON."""

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files
from typing import Any, Self

from aiohttp import web
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.page_hosts import is_expected
from commonwatt_client.pages import HOUSE_STYLE, LIVE_CHART, page_file
from hdrh.histogram import HdrHistogram

from commonwatt_loadgen.simulate.latency import milliseconds, new_histogram
from commonwatt_loadgen.throughput.measure import Progress
from commonwatt_loadgen.throughput.outcomes import COMMITTED, OUTCOMES
from commonwatt_loadgen.throughput.resources import NetworkSampler

Json = dict[str, Any]

HOST = "127.0.0.1"
_KEPT = 600  # rows of the charts
_SHARED = {HOUSE_STYLE: "text/css", LIVE_CHART: "text/javascript"}
_LAST_LOOK_S = 3.0  # how long a page that is open may take to fetch the end


class LiveState:
    """What generators told, added up second by second; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: dict[int, Progress] = {}
        self._rows: deque[Json] = deque(maxlen=_KEPT)
        self._due: list[Progress] = []  # told since the last row
        self._whole = new_histogram()
        self._sampler: NetworkSampler | None = None
        self._planned, self._workers, self._state = 0, 0, "preparing"
        self._started_at_s = 0.0

    def started(self, planned: int, workers: int, sampler: NetworkSampler) -> None:
        """See `Watcher`."""
        with self._lock:
            self._planned, self._workers, self._sampler, self._state = planned, workers, sampler, "running"
            self._started_at_s = round(time.time(), 1)

    def told(self, generator: int, progress: Progress) -> None:
        """See `Watcher`; a row is added when every generator has told."""
        with self._lock:
            before = self._latest.get(generator)
            self._latest[generator] = progress
            self._due.append(progress)
            if before is not None and len(self._due) < self._workers:
                return
            if len(self._latest) == self._workers:
                self._add_row()

    def finished(self, passed: bool) -> None:
        """The run has ended and was judged."""
        with self._lock:
            self._state = "passed" if passed else "FAILED: a threshold was missed"

    def snapshot(self) -> Json:
        """The content of `/state`."""
        with self._lock:
            outcomes = _outcomes(self._latest)
            return {
                "state": self._state,
                "started_at_s": self._started_at_s,
                "planned": self._planned,
                "sent": sum(one.sent for one in self._latest.values()),
                "in_flight": sum(one.in_flight for one in self._latest.values()),
                "outcomes": {name: outcomes[name] for name in OUTCOMES},
                "p50_ms": milliseconds(self._whole, 50),
                "p95_ms": milliseconds(self._whole, 95),
                "rows": list(self._rows),
                "heights": self._sampler.heights() if self._sampler else {},
            }

    def _add_row(self) -> None:
        latency, lag = new_histogram(), new_histogram()
        for progress in self._due:
            latency.add(HdrHistogram.decode(progress.latency))
            lag.add(HdrHistogram.decode(progress.lag))
        self._due.clear()
        self._whole.add(latency)
        at_s = max(one.at_s for one in self._latest.values())
        sent = sum(one.sent for one in self._latest.values())
        committed = _outcomes(self._latest)[COMMITTED]
        cpu_s = sum(one.cpu_s for one in self._latest.values())
        last = self._rows[-1] if self._rows else {"at_s": 0.0, "sent": 0, "committed": 0, "cpu_s": 0.0}
        span_s = max(0.001, at_s - last["at_s"])
        self._rows.append(
            {
                "at_s": round(at_s, 1),
                "sent": sent,
                "committed": committed,
                "cpu_s": cpu_s,
                "sent_per_s": round((sent - last["sent"]) / span_s, 1),
                "committed_per_s": round((committed - last["committed"]) / span_s, 1),
                "p50_ms": milliseconds(latency, 50),
                "p95_ms": milliseconds(latency, 95),
                "lag_p99_ms": milliseconds(lag, 99),
                "cpu_percent": round(100 * (cpu_s - last["cpu_s"]) / span_s, 1),
            }
        )


def _outcomes(latest: Mapping[int, Progress]) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    for one in latest.values():
        outcomes.update(one.outcomes)
    return outcomes


class LivePage(LiveState):
    """Serves the page on the loopback interface while its `with` block runs."""

    def __init__(self, port: int = 0) -> None:
        super().__init__()
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runner: web.AppRunner | None = None
        self._looked = 0.0  # when a page last asked
        self._ended = False
        self._seen_end = threading.Event()
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result()
        except OSError as error:
            self._close()
            raise UsageError(f"--ui-port {self._port}: {error.strerror}; name another port") from error
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._ended and time.monotonic() - self._looked < _LAST_LOOK_S:
            self._seen_end.wait(_LAST_LOOK_S)
        self._close()

    def finished(self, passed: bool) -> None:
        """See `LiveState`; a page that is open gets to see it."""
        super().finished(passed)
        self._ended = True

    async def _serve(self) -> None:
        application = web.Application(middlewares=[_by_our_name])
        application.router.add_get("/", _page)
        application.router.add_get("/state", self._tell)
        for name, kind in _SHARED.items():
            application.router.add_get(f"/{name}", _shared(name, kind))
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self._port).start()
        self.url = f"http://{HOST}:{self._runner.addresses[0][1]}/"

    async def _tell(self, request: web.Request) -> web.Response:
        self._looked = time.monotonic()
        ended = self._ended
        answer = web.json_response(self.snapshot(), headers={"Cache-Control": "no-store"})
        if ended:
            await answer.prepare(request)
            await answer.write_eof()
            self._seen_end.set()
        return answer

    def _close(self) -> None:
        if self._runner:
            asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@web.middleware
async def _by_our_name(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refuse what was asked of another name than this machine's: a browser may have been led here."""
    if not is_expected(request.headers.get("Host")):
        return web.Response(
            status=421, text="this page answers to addresses and this machine's names alone\n"
        )
    return await handler(request)


async def _page(_: web.Request) -> web.Response:
    text = (files("commonwatt_loadgen.throughput") / "live.html").read_text("utf-8")
    return web.Response(text=text, content_type="text/html")


def _shared(name: str, kind: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def hand_out(_: web.Request) -> web.Response:
        return web.Response(text=page_file(name), content_type=kind)

    return hand_out
