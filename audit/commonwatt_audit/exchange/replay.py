# SPDX-License-Identifier: Apache-2.0
"""The replay of an exchange: every transaction against the rules, and what was anchored and attested on the way.

This ledger alone cannot show what peers read of a community's own channel, digests and residuals: `anchors` compares
the former with that channel.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from commonwatt_chaincode.market.exchange.clearing import Link, clear_round
from commonwatt_chaincode.market.exchange.residual import MOST_LEVELS, Level, Residual
from fabric_protos.common import policies_pb2
from fabric_protos.msp import msp_principal_pb2

from commonwatt_audit.world import Difference, Json, Recorded, World, Writes, compare, require

CONTRACT = "exchange:"
UNREADABLE = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RecursionError,
)
_PREFIX = "exchange/"
_RULES_KEY, _CLOCK = f"{_PREFIX}rules", f"{_PREFIX}clock"


class Said(NamedTuple):
    """What an anchor or an attestation says of a community, and where: `party` stands behind it."""

    party: str
    channel: str
    where: str
    periods: tuple[tuple[int, int, str], ...]
    block: int
    header: str


class ExchangeReplay:
    """A channel's exchange as its transactions leave it."""

    def __init__(self) -> None:
        self.world = World()
        self.said: list[Said] = []

    @property
    def begun(self) -> bool:
        """Whether the channel is an exchange."""
        return self.world.get(_RULES_KEY) is not None

    def knows(self, channel: str) -> bool:
        """Whether a community is registered."""
        return self.world.get(_own("community", channel)) is not None

    def check(self, recorded: Recorded) -> None:
        """Compute what a transaction writes and compare. Raises Difference; the state is then undefined."""
        name = recorded.function.removeprefix(CONTRACT)
        rule = _RULES.get(name)
        require(not recorded.hashed, "it writes private values, and no rule of an exchange does")
        if rule is None:
            require(
                not recorded.writes and not recorded.policies,
                f"it writes, and no rule knows {recorded.function[:80]!r}",
            )
            return
        try:
            writes = rule(self, recorded)
        except UNREADABLE as error:
            raise Difference(f"the rules refuse it: {type(error).__name__} {error}") from error
        compare(writes, recorded.writes)
        self._check_policies(recorded, name)
        self.world.apply(writes)

    def _check_policies(self, recorded: Recorded, name: str) -> None:
        """A registration alone sets policies: of two keys, a peer of the grid and one of the community."""
        wanted: set[str] = set()
        if name == "register_community":
            channel = recorded.argument["channel"]
            wanted = {_own("anchor", channel), _own("residual", channel)}
        require(
            set(recorded.policies) == wanted,
            "it gives keys endorsement policies of their own that no rule does",
        )
        for key, policy in recorded.policies.items():
            both = {self.rules["mspid"], recorded.argument["mspid"]}
            require(
                _asks_peers_of(policy) == both,
                f"{key} is to be endorsed by peers of {' and '.join(sorted(both))}, and its policy says else",
            )

    @property
    def rules(self) -> Json:
        """What the grid founded the exchange with."""
        return self.world.need(_RULES_KEY)

    def now_s(self, recorded: Recorded) -> int:
        """The exchange's time at a transaction."""
        if self.rules["clock"] == "simulated":
            return int(self.world.need(_CLOCK)["time_s"])
        return recorded.timestamp_s

    def note(self, party: str, recorded: Recorded, record: Json, periods: list[Json]) -> None:
        """Keep what somebody says of a community's ledger."""
        digests = tuple((one["period"], one["version"], one["digest"]) for one in periods)
        where = f"block {recorded.block}, transaction {recorded.transaction_id}"
        channel, block, header = record["channel"], record["block"], record["header"]
        self.said.append(Said(party, channel, where, digests, block, header))


def _own(kind: str, channel: str) -> str:
    return f"{_PREFIX}{kind}/{channel}"


def _asks_peers_of(policy: bytes) -> set[str]:
    """The organisations of which a policy asks a peer each; none where it is of another form."""
    envelope = policies_pb2.SignaturePolicyEnvelope.FromString(policy)
    rule = envelope.rule.n_out_of
    places = [one.signed_by for one in rule.rules if one.WhichOneof("Type") == "signed_by"]
    found = set()
    for place in places:
        role = msp_principal_pb2.MSPRole.FromString(envelope.identities[place].principal)
        if role.role == msp_principal_pb2.MSPRole.PEER:
            found.add(str(role.msp_identifier))
    return found if rule.n == len(rule.rules) == len(found) else set()


def _require_grid(it: ExchangeReplay, one: Recorded) -> None:
    require(
        one.attributes.get("role") == "grid" and one.mspid == it.rules["mspid"],
        "its caller is not the grid of this exchange",
    )


def _require_operator_or_grid(it: ExchangeReplay, one: Recorded, channel: str | None = None) -> None:
    if one.attributes.get("role") == "grid":
        return _require_grid(it, one)
    require(one.attributes.get("role") == "operator", "its caller is neither grid nor operator")
    if channel is not None:
        mspid = _community(it, channel)["mspid"]
        require(one.mspid == mspid, f"its caller is not the operator of {channel}")
    return None


def _community(it: ExchangeReplay, channel: str) -> Json:
    return it.world.need(_own("community", channel))


def _recorded(one: Recorded, key: str) -> Json:
    """A record as the transaction wrote it, of which this ledger shows no more."""
    value = one.writes.get(key)
    if value is None:
        raise Difference(f"{key} should be written and is not")
    record: Json = json.loads(value)
    return record


def _found(it: ExchangeReplay, one: Recorded) -> Writes:
    require(one.attributes.get("role") == "grid", "its caller is not of role grid")
    require(not it.begun, "the exchange was founded before")
    said = {"clock": "live", "due_before_s": 180, "void_before_s": 60, **one.argument}
    at_s = said.pop("at_s", None)
    require(
        (at_s is not None) == (said["clock"] == "simulated"),
        "only a simulated clock has a time to start from",
    )
    rules = {**said, "mspid": one.mspid, "transaction": one.transaction_id}
    clock = {} if at_s is None else {_CLOCK: {"time_s": at_s, "transaction": one.transaction_id}}
    return {_RULES_KEY: rules, **clock}


def _advance_clock(it: ExchangeReplay, one: Recorded) -> Writes:
    _require_grid(it, one)
    to_s = one.argument["to_s"]
    require(it.rules["clock"] == "simulated" and to_s >= it.now_s(one), "the clock is live, or runs back")
    return {_CLOCK: {"time_s": to_s, "transaction": one.transaction_id}}


def _register_community(it: ExchangeReplay, one: Recorded) -> Writes:
    _require_grid(it, one)
    channel, mspid = one.argument["channel"], one.argument["mspid"]
    require(it.world.get(_own("community", channel)) is None, "the community was registered before")
    require(
        mspid != it.rules["mspid"] and channel != one.channel, "the grid, or its channel, is no community"
    )
    by = {"channel": channel, "transaction": one.transaction_id}
    nothing = {"number": 0, "from_period": 0, "to_period": 0, "periods": [], "block": 0, "header": ""}
    return {
        _own("community", channel): {**one.argument, **by},
        _own("anchor", channel): {**nothing, **by},
        _own("residual", channel): {"period": -1, "requests": [], "offers": [], **by},
    }


def _set_link(it: ExchangeReplay, one: Recorded) -> Writes:
    _require_grid(it, one)
    said = one.argument
    seller, buyer, first = said["seller"], said["buyer"], said["from_period"]
    for channel in (seller, buyer):
        _community(it, channel)
    require(it.now_s(one) < first * 60, "it changes a period that has begun")
    latest = max(record["period"] for record in it.world.under(f"{_PREFIX}residual"))
    require(latest < first, "it changes a period for which a residual was brought")
    key = f"{_PREFIX}link/{seller}/{buyer}"
    before = it.world.get(key) or {"versions": []}
    kept = [version for version in before["versions"] if version["from_period"] < first]
    version = {name: said[name] for name in ("from_period", "limit_wh", "fee")}
    return {
        key: {
            "seller": seller,
            "buyer": buyer,
            "versions": [*kept, version][-100:],
            "transaction": one.transaction_id,
        }
    }


def _anchor(it: ExchangeReplay, one: Recorded) -> Writes:
    said = one.argument
    channel = said["channel"]
    _require_operator_or_grid(it, one, channel)
    key = _own("anchor", channel)
    before, shown = it.world.need(key), _recorded(one, key)["periods"]
    require(
        [period["period"] for period in shown] == sorted({period["period"] for period in shown})
        and all(said["from_period"] <= period["period"] < said["to_period"] for period in shown)
        and 1 <= len(shown) <= 300,
        "its periods are none of its span",
    )
    newest = {period["period"]: period for period in shown}
    for period in before["periods"]:
        now = newest.get(period["period"])
        if now is not None and (now["version"], now["digest"]) != (period["version"], period["digest"]):
            require(now["version"] > period["version"], f"it contradicts anchor {before['number']}")
    same = said["block"] == before["block"] and before["number"]
    require(
        said["block"] >= before["block"] and not (same and said["header"] != before["header"]),
        f"its block contradicts anchor {before['number']}",
    )
    record = {
        **said,
        "number": before["number"] + 1,
        "periods": shown,
        "transaction": one.transaction_id,
    }
    it.note(f"anchor {record['number']} of {channel}", one, record, shown)
    return {key: record}


def _attest(it: ExchangeReplay, one: Recorded) -> Writes:
    _require_grid(it, one)
    said = one.argument
    channel = said["channel"]
    _community(it, channel)
    writes: Writes = {}
    for period in said["periods"]:
        key = f"{_own('attested', channel)}/{period['period']:09d}/{period['version']:04d}"
        before = it.world.get(key)
        if before is not None:
            require(before["digest"] == period["digest"], f"{key} is attested otherwise")
            continue
        writes[key] = {
            **period,
            "channel": channel,
            "block": said["block"],
            "header": said["header"],
            "transaction": one.transaction_id,
        }
    it.note("an attestation of the grid", one, said, said["periods"])
    return writes


def _bring_residual(it: ExchangeReplay, one: Recorded) -> Writes:
    channel, period = one.argument["channel"], one.argument["period"]
    _require_operator_or_grid(it, one, channel)
    require(it.now_s(one) < period * 60 - it.rules["due_before_s"], "it comes when residuals were due")
    require(_round(it, period) is None, "the period's round is closed")
    key = _own("residual", channel)
    before = it.world.need(key)["period"]
    require(before < period, "the community brought that residual, or a later one, before")
    require(before < 0 or _round(it, before) is not None, f"the round of period {before} is open")
    shown = _recorded(one, key)
    levels = {side: shown[side] for side in ("requests", "offers")}
    for side in levels.values():
        prices = {level["price_uaud_per_kwh"] for level in side}
        require(
            len(prices) == len(side) <= MOST_LEVELS and all(level["energy_wh"] > 0 for level in side),
            "its levels are none of a residual",
        )
    return {key: {"channel": channel, "period": period, **levels, "transaction": one.transaction_id}}


def _clear_round(it: ExchangeReplay, one: Recorded) -> Writes:
    _require_operator_or_grid(it, one)
    period = one.argument["period"]
    if _round(it, period) is not None:
        return {}
    starts_s, now_s = period * 60, it.now_s(one)
    closed: Json = {"period": period, "transaction": one.transaction_id}
    if now_s >= starts_s - it.rules["void_before_s"]:
        closed |= {"state": "void", "trades": [], "accounts": {}, "fee_naud": 0}
    else:
        stored = list(it.world.under(f"{_PREFIX}residual"))
        brought = [record for record in stored if record["period"] == period]
        due = now_s >= starts_s - it.rules["due_before_s"]
        require(
            due or len(brought) == len(stored), "it clears before residuals were due, without some of them"
        )
        closed |= {"state": "cleared", **_traded(it, period, brought)}
    return {f"{_PREFIX}round/{period:09d}": closed}


def _traded(it: ExchangeReplay, period: int, brought: list[Json]) -> Json:
    residuals = [
        Residual(record["channel"], _levels(record["requests"]), _levels(record["offers"]))
        for record in brought
    ]
    links = []
    for link in it.world.under(f"{_PREFIX}link"):
        counting = [version for version in link["versions"] if version["from_period"] <= period]
        if counting:
            links.append(Link(link["seller"], link["buyer"], counting[-1]["limit_wh"], counting[-1]["fee"]))
    found = clear_round(period, residuals, links)
    names = ("seller", "buyer", "offered", "limit", "wh", "price", "fee")
    return {
        "trades": [dict(zip(names, trade, strict=True)) for trade in found.trades],
        "accounts": {record["channel"]: found.account_naud(record["channel"]) for record in brought},
        "fee_naud": found.fee_naud,
    }


def _levels(stored: list[Json]) -> tuple[Level, ...]:
    return tuple(Level(level["price_uaud_per_kwh"], level["energy_wh"]) for level in stored)


def _round(it: ExchangeReplay, period: int) -> Any:
    return it.world.get(f"{_PREFIX}round/{period:09d}")


_RULES: dict[str, Callable[[ExchangeReplay, Recorded], Writes]] = {
    "found": _found,
    "advance_clock": _advance_clock,
    "register_community": _register_community,
    "set_link": _set_link,
    "anchor": _anchor,
    "attest": _attest,
    "bring_residual": _bring_residual,
    "clear_round": _clear_round,
}
