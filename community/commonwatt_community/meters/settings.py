# SPDX-License-Identifier: Apache-2.0
"""The part `meter` of home.yaml: one model for each kind of meter."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

Unit = Literal["Wh", "kWh", "MWh"]


class Part(BaseModel):
    """A part of home.yaml: unknown members are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Broker(Part):
    """An MQTT broker."""

    host: str
    port: Annotated[int, Field(ge=1, le=65_535)] = 1_883
    user: str | None = None
    password_file: Annotated[str | None, Field(description="a file that its owner alone reads")] = None
    authority: Annotated[str | None, Field(description="file of the certificate to trust: then TLS")] = None


class Replay(Part):
    """Replays a file; see `meters.replay`."""

    kind: Literal["replay"]
    file: str
    speed: Annotated[float, Field(gt=0, le=10_000)] = 1.0
    start: Annotated[
        str | None, Field(description="the time in the file, HH:MM, that passes when the home first runs")
    ] = None
    every_s: Annotated[float, Field(gt=0, le=3_600)] = 10.0


class Topic(Part):
    """Where a value comes: a topic, and the path in its JSON (`ENERGY.Total`) unless the payload is the value."""

    topic: Annotated[str, Field(min_length=1, max_length=1_024, pattern=r"^[^+#]+$")]
    path: str | None = None


class _Registers(Part):
    unit: Annotated[Unit, Field(description="of the registers")] = "kWh"
    rollover: Annotated[
        float | None, Field(gt=0, description="where the registers start again from 0, in `unit`")
    ] = None

    @property
    def rollover_wh(self) -> float | None:
        """The rollover in Wh."""
        return (
            None
            if self.rollover is None
            else self.rollover * {"Wh": 1, "kWh": 1_000, "MWh": 1_000_000}[self.unit]
        )


class Mqtt(_Registers):
    """Listens to a broker: registers of import and export, or a power; and how full the battery is, in percent."""

    kind: Literal["mqtt"]
    broker: Broker
    imports: Topic | None = None
    exports: Topic | None = None
    power: Annotated[Topic | None, Field(description="W, positive for import; in place of registers")] = None
    battery: Topic | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "Mqtt":
        _check(self.imports, self.exports, self.power)
        return self

    @property
    def topics(self) -> dict[str, Topic]:
        """What is shown, by name."""
        named = {
            "imports": self.imports,
            "exports": self.exports,
            "power": self.power,
            "battery": self.battery,
        }
        return {name: topic for name, topic in named.items() if topic is not None}


class Http(_Registers):
    """JSON over HTTP: polled from `url`, or pushed by `POST /meter` to the agent's own `port`.

    `imports`, `exports`, `power` and `battery` are paths in the JSON.
    """

    kind: Literal["http"]
    url: Annotated[str | None, Field(pattern=r"^https?://")] = None
    every_s: Annotated[float, Field(ge=1, le=3_600)] = 10.0
    authority: Annotated[str | None, Field(description="file of the certificate to trust")] = None
    port: Annotated[int | None, Field(ge=0, le=65_535)] = None
    host: Annotated[
        str, Field(description="where the agent listens; beyond this machine with `token_file`")
    ] = "127.0.0.1"
    token_file: Annotated[
        str | None, Field(description="file of a token: sent to `url`, or asked of a meter that pushes")
    ] = None
    imports: str | None = None
    exports: str | None = None
    power: Annotated[str | None, Field(description="W, positive for import; in place of registers")] = None
    battery: Annotated[str | None, Field(description="how full it is, in percent")] = None

    @model_validator(mode="after")
    def _one_way(self) -> "Http":
        _check(self.imports, self.exports, self.power)
        if (self.url is None) == (self.port is None):
            raise ValueError("name either `url`, which is polled, or `port`, to which the meter pushes")
        if (
            self.port is not None
            and self.host not in ("127.0.0.1", "::1", "localhost")
            and not self.token_file
        ):
            raise ValueError("a meter that pushes from beyond this machine needs `token_file`")
        return self

    @property
    def paths(self) -> dict[str, str]:
        """What is shown, by name."""
        named = {
            "imports": self.imports,
            "exports": self.exports,
            "power": self.power,
            "battery": self.battery,
        }
        return {name: path for name, path in named.items() if path is not None}


class Columns(Part):
    """The columns of a utility's CSV file. The time is that of an interval's start, or of its end."""

    time: str
    imports: str
    exports: str | None = None
    unit: Unit = "kWh"
    stamps: Literal["start", "end"] = "start"
    zone: Annotated[str, Field(description="of times without one, as Australia/Sydney or UTC")] = "UTC"
    interval_min: Annotated[int, Field(ge=1, le=60)] = 5


class File(Part):
    """Reads files as a utility delivers them: NEM12, or CSV with `columns`. A folder is read file by file."""

    kind: Literal["file"]
    path: str
    every_s: Annotated[float, Field(ge=1, le=86_400, description="how often new files are looked for")] = 60.0
    columns: Columns | None = None
    nmi: Annotated[str | None, Field(description="of NEM12 files with several meters")] = None


class Modbus(Part):
    """SunSpec over Modbus TCP: a meter (203, 213), or an inverter (103, 113), and storage (124, 802)."""

    kind: Literal["modbus"]
    host: str
    port: Annotated[int, Field(ge=1, le=65_535)] = 502
    meter_unit: Annotated[int, Field(ge=0, le=255, description="Modbus id of the meter")] = 1
    storage_unit: Annotated[int | None, Field(ge=0, le=255, description="Modbus id of the storage")] = None
    base: Annotated[int, Field(ge=0, le=65_000, description="register of the mark SunS")] = 40_000
    every_s: Annotated[float, Field(ge=0.2, le=3_600)] = 5.0
    steer: Annotated[
        bool, Field(description="write set points to the storage, so that it keeps what was sold")
    ] = False


KINDS = ("replay", "mqtt", "http", "file", "modbus")


class Plugin(BaseModel):
    """A meter of another package, by the name of its entry point; all else is its own."""

    model_config = ConfigDict(extra="allow", frozen=True)
    kind: Annotated[
        str,
        Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=40, json_schema_extra={"not": {"enum": list(KINDS)}}),
    ]


def _kind(said: object) -> str:
    kind = said.get("kind") if isinstance(said, dict) else getattr(said, "kind", None)
    return kind if kind in KINDS else "plugin"


MeterSettings = Annotated[
    Annotated[Replay, Tag("replay")]
    | Annotated[Mqtt, Tag("mqtt")]
    | Annotated[Http, Tag("http")]
    | Annotated[File, Tag("file")]
    | Annotated[Modbus, Tag("modbus")]
    | Annotated[Plugin, Tag("plugin")],
    Discriminator(_kind),
]


def _check(imports: object, exports: object, power: object) -> None:
    if (power is None) == (imports is None) or (exports is not None and imports is None):
        raise ValueError("name `imports` (and `exports`), or `power`")
