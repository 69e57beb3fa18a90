# SPDX-License-Identifier: Apache-2.0
"""home.yaml: what a household decides of its agent. `commonwatt home schema` prints its JSON Schema."""

from pathlib import Path
from typing import Annotated, Any, Literal

from commonwatt_chaincode.market.arithmetic import PPM
from commonwatt_client.bounded_yaml import LONGEST_TEXT, UnreadableYamlError, read_yaml
from commonwatt_client.errors import ConfigurationError
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from ..meters.settings import Broker, MeterSettings, Part


class ServiceCarrier(Part):
    """A community's service: it carries messages and answers questions over HTTPS."""

    service: Annotated[str, Field(description="its address, https://host:port")]
    authority: Annotated[
        str | None,
        Field(description="file of the certificate to trust, alone; else the system's authorities"),
    ] = None
    carrier: Annotated[
        str | None, Field(description="its id on the ledger, MSPID.name: receipts are judged by its key")
    ] = None


class PeerCarrier(Part):
    """A peer, which the home calls with a certificate of its own."""

    network: Annotated[
        str, Field(description="the network: its file, or the name that `commonwatt connect` gave it")
    ]
    organization: Annotated[str, Field(description="the home's organisation")]
    user: Annotated[str, Field(description="the user whose certificate the home has")]


Carrier = ServiceCarrier | PeerCarrier


class Battery(Part):
    """The battery. The agent plans with it where the meter says what it holds."""

    capacity_wh: Annotated[int, Field(ge=1, le=10_000_000)]
    power_w: Annotated[int, Field(ge=1, le=1_000_000)]
    efficiency_percent: Annotated[
        float, Field(gt=50, le=100, description="of charging and discharging, each")
    ] = 95.0
    keep_percent: Annotated[float, Field(ge=0, lt=100, description="it is never emptier than that")] = 10.0


class Page(Part):
    """The page for the household, on this machine alone."""

    port: Annotated[int, Field(ge=0, le=65_535, description="0: any that is free")] = 8_780


class HomeAssistant(Part):
    """Sensors and a switch in Home Assistant, by MQTT discovery."""

    broker: Broker
    discovery: Annotated[str, Field(pattern=r"^[^+#]+$")] = "homeassistant"


class HomeSettings(Part):
    """One home."""

    home: Annotated[str, Field(min_length=1, max_length=64, description="the home's id on the ledger")]
    net: Annotated[str, Field(description="the network's id, as messages name it")]
    channel: str
    key: Annotated[str, Field(description="file of the key that signs the home's messages")]
    journal: Annotated[str, Field(description="file of all that the home said")]
    book: Annotated[str, Field(description="database of what the meter counted")] = "home.db"
    carriers: Annotated[list[Carrier], Field(min_length=1, max_length=4)]
    pins: Annotated[
        dict[str, list[str]],
        Field(
            description="MSP id -> files of its peers' certificates or CAs: commit receipts are judged by them"
        ),
    ] = Field(default_factory=dict)
    meter: MeterSettings
    readings: Annotated[
        Literal["send", "leave"],
        Field(description="leave: a smart meter with its own key sends the readings"),
    ] = "send"
    connection_w: Annotated[
        int,
        Field(
            ge=100,
            le=10_000_000,
            description="the power that the connection carries: it bounds the energy that a meter may count",
        ),
    ] = 24_000
    battery: Battery | None = None
    forecast: Annotated[
        str, Field(description="one that `commonwatt plugin list` names, but not `perfect`")
    ] = "yesterday"
    plan: Annotated[str, Field(description="of the battery; one that `commonwatt plugin list` names")] = (
        "reserve"
    )
    bid_before_gate_s: Annotated[int, Field(ge=5, le=3_600)] = 60
    page: Page | None = None
    home_assistant: HomeAssistant | None = None

    @model_validator(mode="after")
    def _possible(self) -> "HomeSettings":
        if self.forecast == "perfect":
            raise ValueError("forecast: `perfect` knows the future, so it is for simulations alone")
        return self


def read_settings(path: Path) -> HomeSettings:
    """The file; its relative paths are beside it. ConfigurationError with the place of what is wrong."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(LONGEST_TEXT + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ConfigurationError(
            f"{path} cannot be read: {reason}; `commonwatt home new` writes one"
        ) from error
    try:
        content, _ = read_yaml(text, unique_keys=True)
    except UnreadableYamlError as error:
        raise ConfigurationError(f"{path}:{error.line}: {error.problem}") from error
    return settings_of(content, path)


def settings_of(content: Any, path: Path) -> HomeSettings:
    """Settings from what a file says. ConfigurationError."""
    try:
        return HomeSettings.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigurationError(
            f"{path}: {place}: {first['msg']}; `commonwatt home schema` says what a home may have"
        ) from None


def beside(path: Path, named: str) -> Path:
    """A file that home.yaml names."""
    return path.parent / Path(named).expanduser()


def json_schema() -> dict[str, Any]:
    """The JSON Schema of home.yaml."""
    schema = TypeAdapter(HomeSettings).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def percent_ppm(percent: float) -> int:
    """A percentage in parts per million."""
    return round(percent * PPM / 100)
