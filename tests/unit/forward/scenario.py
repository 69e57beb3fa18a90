# SPDX-License-Identifier: Apache-2.0
"""A story in which every transaction of the forward contract succeeds, and some are refused."""

from __future__ import annotations

from .neighbourhood import BANDS, DAY, MIDNIGHT, NOON, TARIFF, Neighbourhood, Signer
from .test_batches import digest_of


async def play(town: Neighbourhood) -> None:
    """Found a community, register homes, trade a period, ask for everything."""
    await town.found(period_min=60, clock="simulated", at_s=(NOON - 2_000) * 60, trust_homes=True)
    for home in ("h1", "h2"):
        await town.propose(home)
    await town.propose("p1", alg="EdDSA", pv_w=6_000, battery_w=2_000)
    await town.do("grid", "confirm_home", {"homes": ["h1", "h2", "p1"]})
    await town.give_key("meter", "h1")
    await town.give_key("operator", "NewtownMSP")
    demand = {"days": {"weekdays": [1, 2]}, "from_min": 0, "to_min": 960, "price_uaud_per_kw": 9}
    bands = [{**one, "sharing_price": 100_000} for one in BANDS]
    tariff = {"schedules": [{**TARIFF["schedules"][0], "bands": bands}], "demand": demand}
    change = {"replaces": 1, "tariff": tariff, "sharing": "static", "holidays": [20_500, 20_400]}
    change |= {"carbon": {"quota_g_per_day": 900, "price_uaud_per_kg": 50_000, "intensity": [[0, 24, 660]]}}
    await town.do("operator", "configure", change | {"times": {"gate_grace_s": 50}})
    h1 = {"author": "home", "home": "h1"}
    old, new, lost = town.signers["h1"], Signer(90), Signer(91)
    possession, consent = (town.brings_key(new, "home", "h1", 2, by=by) for by in (None, old))
    await town.do("carrier", "set_key", h1, {"possession": possession, "consent": consent})
    town.signers["h1"] = new
    h2 = {"author": "home", "home": "h2"}
    await town.do("operator", "propose_key", h2, {"possession": town.brings_key(lost, "home", "h2", 2)})
    await town.do("grid", "confirm_key", {**h2, "kid": lost.key.kid})
    await town.refused("grid", "confirm_key", {**h2, "kid": lost.key.kid})
    service = "NewtownMSP.service"
    brought = town.brings_key(Signer(92), "carrier", service, 1)
    await town.do("operator", "set_carrier_key", {"carrier": service}, {"possession": brought})
    sharing = {"from_period": NOON, "keys": {"p1": 100_000, "h2": 300_000, "h1": 600_000}}
    await town.do("operator", "set_sharing_keys", sharing)
    await town.do("grid", "set_intensity", {"from_period": NOON, "g_per_kwh": [600, 700]})
    await town.do("operator", "register_home", {"homes": [{"home": "h3", "home_class": "consumer"}]})
    await town.do("operator", "end_home", {"home": "h3"})
    span = {"from_period": NOON, "to_period": NOON + 2_000}
    await town.do("grid", "set_envelope", {**span, "export_w": 4_000})
    await town.do("grid", "set_envelope", {**span, "home": "p1", "export_w": 3_000, "import_w": 9_000})
    await town.do("operator", "advance_clock", {"to_s": NOON * 60 - 3_000})
    request = town.request("h1", NOON, 400, 200_000)
    batch = [request, town.offer("p1", NOON, 300, 70_000), b"nothing", town.withdrawal("h2", NOON, 1)]
    await town.bids(NOON, *batch)
    await town.do("operator", "advance_clock", {"to_s": NOON * 60 - 200})
    await town.do("operator", "close_gate", {"period": NOON})
    await town.do("operator", "close_gate", {"period": NOON})
    await town.do("h2", "clear_period", {"period": NOON})
    for name in ("get_residual", "import_residual"):
        await town.refused("operator", name, {"period": NOON})
    await town.do("operator", "advance_clock", {"to_s": NOON * 60 + 11_000})
    totals = {"export_total_wh": 0}
    readings = [
        town.reading("h1", NOON, 400),
        town.reading("h1", NOON, 410, by="meter of h1", import_total_wh=1_000, **totals),
    ]
    await town.readings(NOON, *readings, town.reading("p1", NOON, 0, 200))
    later = NOON + 120  # nothing of h1 between the two: a gap
    await town.readings(later, town.reading("h1", later, 300, import_total_wh=1_900, **totals))
    await town.do("grid", "report_feeder", {"period": NOON, "import_wh": 200, "export_wh": 0})
    await town.refused("operator", "declare_lost", {"key": f"m/reading/{NOON:09d}/0001/h1/home/01"})
    await town.do("operator", "advance_clock", {"to_s": (MIDNIGHT + 1_440) * 60 + 172_800})
    for period in range(MIDNIGHT, MIDNIGHT + 1_440, 60):
        await town.do("grid", "freeze_period", {"period": period})
        await town.do("h2", "settle_period", {"period": period})
    await town.do("h1", "settle_gap", {"home": "h1", "before": NOON, "after": later})
    await town.refused("h1", "settle_gap", {"home": "h1", "before": NOON, "after": NOON + 60})
    await town.do("operator", "settle_carbon", {"day": DAY})
    await town.do("operator", "settle_day", {"day": DAY})
    month = {"from_period": NOON - 60, "to_period": NOON + 60}
    asked = {"kind": "bid", "period": NOON, "home": "h1", "seq": 1, "digest": digest_of(request)}
    for who, name, argument in (
        ("h1", "get_configuration", {}),
        ("h1", "get_home", {"home": "h1"}),
        ("grid", "list_homes", {}),
        ("h1", "get_keys", h1),
        ("p1", "get_envelopes", {"period": NOON}),
        ("grid", "get_envelopes", {"period": NOON}),
        ("grid", "get_sharing_keys", {"period": NOON}),
        ("h1", "get_period", {"period": NOON}),
        ("h1", "list_periods", month),
        ("h1", "get_prices", month),
        ("h1", "list_digests", month),
        ("operator", "list_awards", month),
        ("h1", "list_lines", {**month, "home": "h1"}),
        ("grid", "list_lines", month),
        ("h1", "get_carbon", {"day": DAY, "home": "h1"}),
        ("p1", "get_bill", {"home": "p1", "day": DAY}),
        ("carrier", "list_messages", {"kind": "reading", "period": NOON}),
        ("h1", "message_status", asked),
    ):
        await town.ask(who, name, argument)
    await town.refused("grid", "forget_home", {"home": "h1", "before": MIDNIGHT + 1_440})
    await town.do("operator", "advance_clock", {"to_s": (MIDNIGHT + 1_440) * 60 + 2_555 * 86_400})
    await town.do("grid", "forget_home", {"homes": ["h1", "h2"], "before": MIDNIGHT + 1_440})
