# SPDX-License-Identifier: Apache-2.0
"""Offers of homes, and the energy that they hold back."""

from dataclasses import replace
from typing import Any

from ..ledger import (
    OFFERS,
    OPEN,
    WITHDRAWN,
    Bid,
    Home,
    HomeAccount,
    Round,
    account_key,
    decode_optional,
    encode,
    home_key,
    offer_bid_key,
    round_key,
)
from ..market.battery import Account, battery_of, reserve, sellable_wh, settle_offer
from ..market.orders import offer_id
from ..market.tariff import MINUTE_S
from ..shim import Stub
from .arguments import OwnBid, SubmitOffer
from .callers import HOME, require_home, require_role
from .clock import round_time
from .records import account_of, emit, home_of, running_round_of, stored, with_energy
from .refusals import Code, refuse


async def submit_offer(stub: Stub, arguments: SubmitOffer) -> dict[str, Any]:
    """Offer energy of the own battery; it is held back until the round closes."""
    require_role(stub, HOME)
    round_, home, account, known = await _offer_state(stub, arguments.round, arguments.home)
    _require_offer_phase(stub, round_)
    if home.home_class != "prosumer":
        raise refuse(Code.NOT_A_PROSUMER, f"{home.home} is a consumer; offers come from prosumers")
    price, parameters = arguments.price_uaud_per_kwh, round_.parameters
    if price < parameters.feed_in:
        raise refuse(Code.OFFER_BELOW_FEED_IN, f"{price} is below the feed-in tariff, {parameters.feed_in}")
    if price > round_.tou_uaud_per_kwh:
        raise refuse(Code.OFFER_ABOVE_TARIFF, f"{price} is above the tariff, {round_.tou_uaud_per_kwh}")
    battery = battery_of(parameters, home.storage_wh)
    free = _without_offer(round_, account, known)
    most_wh = sellable_wh(battery, free)
    _require_metered(round_, account, home.home)
    if arguments.energy_wh > most_wh:
        raise refuse(
            Code.INSUFFICIENT_ENERGY, f"{home.home} may sell {most_wh} Wh, not {arguments.energy_wh} Wh"
        )
    after = reserve(battery, free, arguments.energy_wh)
    offer = Bid(
        kind="O",
        id=offer_id(round_.id, home.home),
        round=round_.id,
        home=home.home,
        energy_wh=arguments.energy_wh,
        price_uaud_per_kwh=price,
        interval_start=0,
        state=OPEN,
        transaction=stub.transaction_id,
    )
    await stub.put_state(offer_bid_key(round_.id, home.home), encode(offer))
    await _put_account(stub, home.home, account, after)
    emit(
        stub,
        "offer_submitted",
        {"round": round_.id},
    )
    return {
        "offer": offer.id,
        "round": round_.id,
        "state": OPEN,
        "energy_wh": offer.energy_wh,
        "price_uaud_per_kwh": price,
        "available_wh": sellable_wh(battery, after),
        "transaction": stub.transaction_id,
    }


async def withdraw_offer(stub: Stub, arguments: OwnBid) -> dict[str, Any]:
    """Take back an offer before its deadline and release what it held."""
    require_role(stub, HOME)
    round_, home, account, known = await _offer_state(stub, arguments.round, arguments.home)
    if known is None:
        raise refuse(Code.NO_OPEN_OFFER, f"{arguments.home} has no open offer in round {arguments.round}")
    _require_offer_phase(stub, round_)
    free = _without_offer(round_, account, known)
    withdrawn = replace(known, state=WITHDRAWN, transaction=stub.transaction_id)
    await stub.put_state(offer_bid_key(round_.id, home.home), encode(withdrawn))
    await _put_account(stub, home.home, account, free)
    emit(stub, "offer_withdrawn", {"round": round_.id})
    return {
        "offer": known.id,
        "state": WITHDRAWN,
        "available_wh": sellable_wh(battery_of(round_.parameters, home.storage_wh), free),
        "transaction": stub.transaction_id,
    }


async def _offer_state(
    stub: Stub, round_id: str, home_id: str
) -> tuple[Round, Home, HomeAccount, Bid | None]:
    """All that an offer depends on, in one round trip; the bid only if it is open."""
    round_value, home_value, account_value, bid_value = await stub.get_states(
        [round_key(round_id), home_key(home_id), account_key(home_id), offer_bid_key(round_id, home_id)]
    )
    home = home_of(home_value, home_id)
    require_home(stub, home, HOME)
    bid = decode_optional(Bid, bid_value)
    if bid is not None and bid.state != OPEN:
        bid = None
    return running_round_of(round_value, round_id), home, account_of(account_value, home_id), bid


def _without_offer(round_: Round, account: HomeAccount, known: Bid | None) -> Account:
    if known is None:
        return stored(account)
    return settle_offer(battery_of(round_.parameters, capacity_wh=0), stored(account), known.energy_wh, 0)


async def _put_account(stub: Stub, home: str, account: HomeAccount, after: Account) -> None:
    await stub.put_state(account_key(home), encode(with_energy(account, after, stub.transaction_id)))


def _require_metered(round_: Round, account: HomeAccount, home: str) -> None:
    """Refuse to sell what the account holds from long ago: the home may have used it since, without a reading."""
    parameters = round_.parameters
    earliest = round_.opened_at - parameters.st_max * MINUTE_S - parameters.report_within_s
    if account.metered_until < earliest:
        raise refuse(
            Code.NOT_METERED,
            f"{home} is metered until {account.metered_until}; a seller reports up to {earliest} first",
        )


def _require_offer_phase(stub: Stub, round_: Round) -> None:
    now = round_time(stub, round_)
    begun = round_.state == OFFERS or now >= round_.offers_from
    if not begun or now >= round_.closes_at:
        raise refuse(
            Code.NOT_OFFER_PHASE,
            f"round {round_.id} takes offers from {round_.offers_from} to {round_.closes_at}, it is {now}",
        )
