# SPDX-License-Identifier: Apache-2.0
"""Routes that read the market: the contract's answers, passed through unchanged, of the caller's home alone."""

from collections.abc import Mapping
from typing import Any

from ..statement.reading import attested_of_day
from .caller import Role
from .problems import Problem
from .route import Call


async def get_configuration(call: Call) -> bytes:
    """All versions of rules, tariffs and holidays, and the market time."""
    return await call.parts.ledger.ask("get_configuration", {})


async def get_tariff(call: Call) -> dict[str, Any]:
    """The tariffs and holidays alone, and the market time."""
    standing = await call.parts.ledger.json("get_configuration", {})
    configuration = standing["configuration"]
    return {
        "version": configuration["version"],
        "now_s": standing["now_s"],
        "tariffs": configuration["tariffs"],
        "holidays": configuration["holidays"],
    }


async def list_prices(call: Call) -> bytes:
    """The clearing prices of periods, and the prices that bound them."""
    return await call.parts.ledger.ask("get_prices", _span(call))


async def get_period(call: Call) -> bytes:
    """A period's times, prices and records."""
    return await call.parts.ledger.ask("get_period", {"period": call.values["period"]})


async def list_periods(call: Call) -> bytes:
    """The records of the periods of a span."""
    return await call.parts.ledger.ask("list_periods", _span(call))


async def get_envelopes(call: Call) -> bytes:
    """The envelopes that touch a period: those for all homes, the home's own, and the limits that hold for the home."""
    home = call.values["home"] if call.caller.role is Role.OPERATOR else call.home
    argument = {"period": call.values["period"], **({"home": home} if home else {})}
    return await call.parts.ledger.ask("get_envelopes", argument)


async def get_keys(call: Call) -> bytes:
    """An author's public keys: a home's or meter's to itself, an operator's or a carrier's to every session."""
    author, owner = call.values["author"], call.values["owner"]
    if author in ("home", "meter") and not call.caller.may_see(owner):
        raise Problem("not_yours", "these keys are another home's")
    return await call.parts.ledger.ask("get_keys", {"author": author, "home": owner})


async def get_home(call: Call) -> bytes:
    """A registration."""
    return await call.parts.ledger.ask("get_home", {"home": call.home})


async def list_homes(call: Call) -> bytes:
    """Every registration."""
    return await call.parts.ledger.ask("list_homes", {})


async def list_awards(call: Call) -> bytes:
    """The results of the home's bids."""
    return await call.parts.ledger.ask("list_awards", {**_span(call), "home": call.home})


async def list_lines(call: Call) -> bytes:
    """The home's settled periods."""
    return await call.parts.ledger.ask("list_lines", {**_span(call), "home": call.home})


async def list_messages(call: Call) -> bytes:
    """The home's messages that stand on the ledger."""
    argument = {"kind": call.values["kind"], "period": call.values["period"], "home": call.home}
    return await call.parts.ledger.ask("list_messages", argument)


async def get_bill(call: Call) -> dict[str, Any]:
    """The home's bill of a local day; on an exchange also how many of its settled periods the grid attested."""
    ledger, day = call.parts.ledger, call.values["day"]
    bill = await ledger.json("get_bill", {"home": call.home, "day": day})
    configuration = (await ledger.standing()).configuration
    attested = await attested_of_day(ledger.market, call.home, day, configuration, call.parts.attestations)
    return bill if attested is None else {**bill, **attested._asdict()}


async def get_carbon(call: Call) -> bytes:
    """What the carbon of a local day came to, and the home's line of it."""
    return await call.parts.ledger.ask("get_carbon", {"home": call.home, "day": call.values["day"]})


def _span(call: Call) -> Mapping[str, int]:
    span = {"from_period": call.values["from_period"], "to_period": call.values["to_period"]}
    if not 0 < span["to_period"] - span["from_period"] <= 44_640:
        raise Problem("bad_request", "to_period is 1 to 44,640 minutes after from_period")
    return span
