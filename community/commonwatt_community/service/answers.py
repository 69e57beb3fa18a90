# SPDX-License-Identifier: Apache-2.0
"""The service's own answers as types, for the OpenAPI document; the contract's are those of ``market.results``."""

from typing import Any, Literal

from commonwatt_chaincode.market.forward.bills import Bill
from pydantic import BaseModel
from pydantic.dataclasses import dataclass

from ..api.values import Challenge, Enrolment, LoggedIn, Wishes

__all__ = ["Challenge", "Enrolment", "LoggedIn", "Wishes"]

Json = dict[str, Any]


class MessageResult(BaseModel):
    """``admitted`` with a receipt, or the code for which the message is refused."""

    digest: str
    result: str
    receipt: str | None


class MessageResults(BaseModel):
    """The result of each message, in their order."""

    results: list[MessageResult]


class Receipt(BaseModel):
    """``pending``, ``written`` or a code; `commit` is the endorsed answer of both organisations, in base64."""

    digest: str
    result: str
    commit: str | None


class Proof(BaseModel):
    """The endorsed answer of both organisations, in base64."""

    digest: str
    commit: str


class Me(BaseModel):
    """A session; `csrf` is what a browser sends as ``X-CW-CSRF``."""

    role: Literal["home", "meter", "resident", "operator"]
    home: str
    name: str
    expires_s: int
    csrf: str | None


class Entered(Me):
    """A session that began."""

    has_totp: bool


class Totp(BaseModel):
    """A seed for an authenticator."""

    totp_secret: str
    uri: str


class HasTotp(BaseModel):
    """Whether the account has a second factor."""

    has_totp: bool


class WaitingEnrolment(BaseModel):
    """An enrolment as the operator judges it."""

    id: str
    home: str
    author: str
    code: str
    possession: str
    state: str
    reason: str
    asked_s: int


class Enrolments(BaseModel):
    """Enrolments, the oldest first."""

    enrolments: list[WaitingEnrolment]


class JudgedEnrolment(BaseModel):
    """The operator's answer to an enrolment."""

    home: str
    state: str
    reason: str


class Invited(BaseModel):
    """An invitation, to be handed to residents; `url` opens the portal with it."""

    home: str
    invitation: str
    expires_s: int
    url: str


class AlarmAnswer(BaseModel):
    """An alarm of the operator's program."""

    kind: str
    sentence: str
    since_s: int
    period: int | None
    home: str | None


class AlarmsAnswer(BaseModel):
    """Alarms."""

    alarms: list[AlarmAnswer]


class HomeCounts(BaseModel):
    """Counts of homes."""

    registered: int
    confirmed: int
    ended: int


class Overview(BaseModel):
    """The state of the market."""

    now_s: int
    configuration_version: int
    homes: HomeCounts
    periods: list[Json]
    alarms: list[AlarmAnswer]
    enrolments_waiting: int
    residents: int
    messages_waiting: int
    listeners: int


@dataclass(frozen=True)
class BillOfDay(Bill):
    """The contract's bill of a day, and where the grid attests how many of its settled periods it computed anew."""

    attested_periods: int | None = None
    settled_periods: int | None = None


class Summary(BaseModel):
    """A home as the portal shows it: Wh by source, nAUD, µAUD per kWh.

    `co2` where the service has a factor, `carbon` where the month has a quota.
    """

    home: str
    now_s: int
    offset_min: int
    has_panels: bool
    has_battery: bool
    supply_naud_per_day: int
    today: Json
    month: Json
    prices: list[Json]
    trades: list[Json]
    co2: Json | None
    carbon: Json | None


class MonthlyStatement(BaseModel):
    """A month: the cents of `lines` and `rounding_cents` sum to `total_cents`; negative: the home receives."""

    home: str
    month: str
    community: str
    state: Literal["final", "provisional"]
    final_from: str | None
    days_billed: list[str]
    days_not_billed: list[str]
    lines: list[Json]
    rounding_cents: int
    total_cents: int
    gst_cents: int
    without_market_cents: int
    saved_cents: int
    import_wh: int
    export_wh: int
    sources: dict[str, int]
    attested_periods: int | None = None
    settled_periods: int | None = None
    carbon: Json | None = None


class Board(Overview):
    """The overview, with times of the periods around now, envelopes of now, and homes that have not reported."""

    offset_min: int
    readings: Json
    envelopes: list[Json]


class Health(BaseModel):
    """``ok``, ``no_peer``, ``no_receipt_key`` or ``stopping``."""

    state: str
    messages_waiting: int
    listeners: int


class Tariff(BaseModel):
    """Tariffs and holidays, all versions, as the configuration has them."""

    version: int
    now_s: int
    tariffs: list[Json]
    holidays: list[Json]


class Periods(BaseModel):
    """The records of each period: ``gate``, ``meter``, ``cleared``, ``settled``."""

    periods: list[Json]


class Envelopes(BaseModel):
    """Envelopes that touch a period."""

    period: int
    envelopes: list[Json]


class Nothing(BaseModel):
    """Nothing more to say."""
