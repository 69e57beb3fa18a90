# SPDX-License-Identifier: Apache-2.0
"""A meter whose values come over MQTT (extra `mqtt`). While the broker is away, the meter's own registers count on."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
from commonwatt_client.errors import ConfigurationError

from .clock import Clock
from .counted import Counted, MeterFailed, Tell
from .counting import Bounds
from .secrets import secret_in
from .settings import Broker, Mqtt
from .shown import Shown, value_at

_LEAST_APART_S = 1.0
_CONNECTS_WITHIN_S = 10.0


class MqttMeter:
    """Listens to the topics of home.yaml."""

    def __init__(
        self,
        settings: Mqtt,
        folder: Path,
        clock: Clock,
        bounds: Bounds,
        tell: Tell,
        battery_capacity_wh: int | None = None,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._clock = clock
        self._bounds = bounds
        self._tell = tell
        self._capacity_wh = battery_capacity_wh

    async def readings(self, after: Counted | None) -> AsyncIterator[Counted]:
        """See `Meter`. MeterFailed without a broker."""
        settings = self._settings
        shown = Shown(
            frozenset(settings.topics), settings.unit, self._bounds, self._tell, after, self._capacity_wh
        )
        counted_s = 0.0
        broker = settings.broker
        try:
            async with client_of(broker, self._folder) as client:
                for topic in sorted({one.topic for one in settings.topics.values()}):
                    await client.subscribe(topic)
                async for message in client.messages:
                    payload = message.payload if isinstance(message.payload, bytes) else b""
                    said = {
                        name: value_at(payload, one.path)
                        for name, one in settings.topics.items()
                        if message.topic.value == one.topic
                    }
                    now_s = self._clock.now()
                    counted = shown.add(now_s, said)
                    if counted is not None and now_s - counted_s >= _LEAST_APART_S:
                        counted_s = now_s
                        yield counted
        except (aiomqtt.MqttError, OSError) as error:
            raise MeterFailed(
                f"meter: the MQTT broker {broker.host}:{broker.port} does not answer: {error or 'it hung up'}"
            ) from error


def client_of(broker: Broker, folder: Path, will: aiomqtt.Will | None = None) -> aiomqtt.Client:
    """A client of a broker, not yet connected. ConfigurationError for files that cannot be used."""
    password = None
    if broker.password_file is not None:
        password = secret_in(folder / broker.password_file)
    context = None
    if broker.authority is not None:
        try:
            context = ssl.create_default_context(cafile=str(folder / broker.authority))
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"{folder / broker.authority} is no certificate in PEM: {error}"
            ) from error
    return aiomqtt.Client(
        broker.host,
        broker.port,
        username=broker.user,
        password=password,
        tls_context=context,
        timeout=_CONNECTS_WITHIN_S,
        will=will,
    )
