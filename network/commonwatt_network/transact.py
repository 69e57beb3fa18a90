# SPDX-License-Identifier: Apache-2.0
"""One transaction of any chaincode, as one of the network's users: who calls, who endorses, what comes back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commonwatt_client import (
    ConfigurationError,
    ErrorCode,
    GatewayError,
    NoNetworkError,
    RetryPolicy,
    connect_network_file,
)

from commonwatt_network.errors import UsageError
from commonwatt_network.model.forward_market import FORWARD, MARKET
from commonwatt_network.model.roster import ADMIN

OPERATES = ("operator", "grid")
LISTED = 8


@dataclass(frozen=True)
class Caller:
    """A user of an organisation of the network file."""

    organization: str
    user: str

    def __str__(self) -> str:
        return f"{self.organization}/{self.user}"


@dataclass(frozen=True)
class Call:
    """A transaction function with its arguments. `function` may name its contract: `Assets:create`.

    `collections`: only organisations that belong to all of these private data collections endorse.
    `endorsers`: organisations, or their MSP ids, that endorse; none: the gateway chooses, but a forward market's
    transient data go to its two organisations, by name.
    """

    channel: str
    chaincode: str
    function: str
    arguments: Sequence[str] = ()
    transient: Mapping[str, bytes] = field(default_factory=dict)
    collections: Sequence[str] = ()
    endorsers: Sequence[str] = ()


@dataclass(frozen=True)
class Answer:
    """What a transaction returned. Of one that was only evaluated, the transaction id and block are None."""

    caller: Caller
    result: bytes
    transaction_id: str | None = None
    block_number: int | None = None

    def to_json(self) -> dict[str, Any]:
        """`result` holds JSON as such, other text as text; bytes that are no text stand in `result_base64`."""
        import base64

        about: dict[str, Any] = {"caller": str(self.caller)}
        if self.transaction_id is not None:
            about |= {
                "status": "VALID",
                "transaction_id": self.transaction_id,
                "block_number": self.block_number,
            }
        try:
            text = self.result.decode()
        except UnicodeDecodeError:
            return {"result_base64": base64.b64encode(self.result).decode(), **about}
        return {"result": json.loads(text) if laid_out(text) is not None else text, **about}


def laid_out(text: str) -> str | None:
    """JSON with one member a line; None for what is no JSON, or would not be the same afterwards."""
    try:
        pretty = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        return pretty if _tokens(pretty) == _tokens(text) else None
    except (ValueError, RecursionError):
        return None


def _tokens(text: str) -> Any:
    """The content of JSON with numbers as they are written, and members that a mapping would swallow."""
    return json.loads(text, parse_float=_Number, parse_int=_Number, object_pairs_hook=_Members)


class _Number(str):
    """A number as it is written; never equal to the same text in quotes."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Number) and str(self) == str(other)

    __hash__ = str.__hash__


class _Members(list[tuple[str, Any]]):
    pass


def read_networks(path: Path) -> Mapping[str, Any]:
    """The content of a network file. Raises NoNetworkError, ConfigurationError."""
    try:
        content = json.loads(path.read_bytes())
        organizations = {name: entry["users"] for name, entry in content["organizations"].items()}
        channels = {name: entry["organizations"] for name, entry in content["channels"].items()}
        if not all(isinstance(part, dict | list) for part in (*organizations.values(), *channels.values())):
            raise TypeError("users and organizations are mappings and lists")
    except FileNotFoundError as error:
        raise NoNetworkError(f"{path} does not exist; start a network first (`make network-up`)") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{path} is not a network file ({type(error).__name__}: {error}); make it anew with `make network-up`"
        ) from error
    assert isinstance(content, dict)
    return content


def find_caller(content: Mapping[str, Any], channel: str, named: str | None) -> Caller:
    """Who is meant by `user` or `organisation/user`; without a name, who speaks for the channel's first organisation.

    Raises UsageError for a channel that is not the network's, and for a name that is nobody's or several people's.
    """
    if channel not in content["channels"]:
        raise UsageError(f"the network has no channel {channel}; it has {_listed(content['channels'])}")
    members = [
        name for name in content["channels"][channel]["organizations"] if name in content["organizations"]
    ]
    users: dict[str, Mapping[str, Any]] = {
        name: content["organizations"][name]["users"]
        for name in (*members, *(name for name in content["organizations"] if name not in members))
    }
    if not named:
        return _speaker(channel, {name: users[name] for name in members})
    organization, separator, user = named.rpartition("/")
    if separator:
        if organization not in users:
            raise UsageError(f"the network has no organisation {organization}; it has {_listed(users)}")
        if user not in users[organization]:
            raise UsageError(f"{organization} has no user {user}; it has {_listed(users[organization])}")
        return Caller(organization, user)
    found = [name for name in members if named in users[name]] or [
        name for name in users if named in users[name]
    ]
    if not found:
        known = _listed(dict.fromkeys(user for name in members for user in users[name]))
        raise UsageError(f"no organisation of channel {channel} has a user {named}; they have {known}")
    if len(found) > 1:
        choices = " or ".join(f"{name}/{named}" for name in found)
        raise UsageError(f"{named} is a user of {' and '.join(found)}; say which: --as {choices}")
    return Caller(found[0], named)


def _speaker(channel: str, members: Mapping[str, Mapping[str, Any]]) -> Caller:
    """The operator of the first organisation that has users; else its first user who is neither home nor admin."""
    for organization, users in members.items():
        roles = {user: dict(about.get("attributes") or {}).get("role") for user, about in users.items()}
        operators = [user for user, role in roles.items() if role in OPERATES]
        others = [user for user, role in roles.items() if role is None and user != ADMIN]
        for user in (*operators, *others, *users):
            return Caller(organization, user)
    raise UsageError(f"no organisation of channel {channel} has a user here")


async def transact(path: Path, call: Call, named: str | None, *, submit: bool) -> Answer:
    """Evaluate a transaction or submit it and wait for its commit; tried again where it lost a race.

    Raises UsageError and ConfigurationError before anything is sent, then the client's errors.
    """
    content = read_networks(path)
    caller = find_caller(content, call.channel, named)
    endorsers = [
        content["organizations"].get(name, {}).get("mspid", name) for name in endorsers_of(content, call)
    ]
    listed = content["channels"][call.channel].get("chaincodes") or {}
    # What is listed may have yet to be known to peers that were just started; what is not listed is likely a slip.
    retry = RetryPolicy() if call.chaincode in listed else RetryPolicy(max_tries=2)
    try:
        return await _transact(path, caller, call, endorsers, retry, submit=submit)
    except GatewayError as error:
        if error.code is ErrorCode.NO_ENDORSERS and call.chaincode not in listed:
            raise UsageError(
                f"channel {call.channel} has no chaincode {call.chaincode}; it has {_listed(listed)}"
            ) from error
        raise


def endorsers_of(content: Mapping[str, Any], call: Call) -> list[str]:
    """Those whom the call names; of a forward market's transient data, both organisations that may see them."""
    channel = content["channels"][call.channel]
    named = _separated(call.endorsers)
    if named or call.collections or not call.transient:
        return named
    is_forward = call.chaincode == MARKET and channel.get("market") == FORWARD
    return list(channel["organizations"]) if is_forward else []


async def _transact(
    path: Path, caller: Caller, call: Call, endorsers: list[str], retry: RetryPolicy, *, submit: bool
) -> Answer:
    async with connect_network_file(path, caller.organization, caller.user, retry=retry) as gateway:
        if call.collections:
            endorsers = await _members(path, caller, call)
        contract = gateway.get_network(call.channel).get_contract(call.chaincode)
        if not submit:
            result = await contract.evaluate(
                call.function,
                arguments=call.arguments,
                transient=call.transient,
                endorsing_organizations=endorsers,
            )
            return Answer(caller, result)
        outcome = await contract.submit(
            call.function,
            arguments=call.arguments,
            transient=call.transient,
            endorsing_organizations=endorsers,
        )
        return Answer(caller, outcome.result, outcome.transaction_id, outcome.block_number)


async def _members(path: Path, caller: Caller, call: Call) -> list[str]:
    """The MSP ids of all who belong to each of the collections, by the definition in force."""
    from commonwatt_client.admin import PeerAdmin  # loads more than most calls need
    from commonwatt_client.ledger.policy import parse_signature_policy, principals
    from commonwatt_client.profile import network_file_peers, network_file_user

    identity, signer = network_file_user(path, caller.organization, caller.user)
    peer = network_file_peers(path, caller.organization)[0]
    async with PeerAdmin(peer, identity=identity, signer=signer) as admin:
        committed = await admin.query_committed_chaincode_definition(call.channel, call.chaincode)
    policies = {entry.name: entry.member_policy for entry in committed.definition.collections}
    members: dict[str, None] | None = None
    for name in _separated(call.collections):
        if name not in policies:
            raise UsageError(f"{call.chaincode} has no collection {name}; it has {_listed(policies)}")
        found = dict.fromkeys(
            principal.mspid for principal in principals(parse_signature_policy(policies[name]))
        )
        members = found if members is None else {mspid: None for mspid in members if mspid in found}
    if not members:
        raise UsageError(f"no organisation belongs to all of the collections {', '.join(call.collections)}")
    return list(members)


def _separated(names: Iterable[str]) -> list[str]:
    """Names that were given one by one or with commas between them."""
    return [name for entry in names for name in entry.split(",") if name]


def _listed(names: Iterable[str]) -> str:
    shown = list(names)
    more = f" and {len(shown) - LISTED} more" if len(shown) > LISTED else ""
    return ", ".join(shown[:LISTED]) + more or "none"
