# SPDX-License-Identifier: Apache-2.0
"""`commonwatt community new`: secrets in the folder, rules on the ledger, the operator's key there. Safe to repeat."""

from collections.abc import Callable
from dataclasses import asdict

from commonwatt_chaincode.messages.keys import thumbprint
from commonwatt_client.exit_codes import CommandError

from commonwatt_community.market.forward import ForwardMarket
from commonwatt_community.market.refused import Refused
from commonwatt_community.market.results import Configuration
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.journal import Journal
from commonwatt_community.messages.signing_key import SigningKey, load_key, make_key
from commonwatt_community.secret_file import write_secret

from .codes import RESIDENT, key_of, load_secret, make_secret
from .community_file import CommunityFile
from .folder import Folder

OPERATOR = "operator"


class AnotherCommunity(CommandError):
    """The channel was configured otherwise than the file says, or has another operator's key."""


async def found(folder: Folder, mspid: str, market: ForwardMarket, say: Callable[[str], None]) -> None:
    """Found what a community's file describes; finished steps are left as they are.

    Raises:
        AnotherCommunity: the channel has other rules, or another key of its operator.
        Refused: the identity may not, or the contract refuses a rule.
        ConfigurationError: a secret cannot be read or written.
    """
    _make_secrets(folder, say)
    key = load_key(folder.operator_key) if folder.operator_key.exists() else make_key(folder.operator_key)
    net = await _configured(folder, market, say)
    await _with_operators_key(folder, mspid, net, key, market, say)


def _make_secrets(folder: Folder, say: Callable[[str], None]) -> None:
    if folder.codes_key.exists():
        secret = load_secret(folder.codes_key)
    else:
        secret = make_secret(folder.codes_key)
        say(f"made {folder.codes_key}: keep it secret, and a copy of it safe")
    if not folder.residents_key.exists():
        write_secret(folder.residents_key, key_of(secret, RESIDENT))
        say(f"made {folder.residents_key}, for the service")


async def _configured(folder: Folder, market: ForwardMarket, say: Callable[[str], None]) -> str:
    """The network's id."""
    community = folder.community
    try:
        standing = await market.get_configuration()
    except Refused as refused:
        if refused.code != "not_configured":
            raise
        done = await market.configure(0, **community.argument())
        say(f"configured channel {community.channel}: the community's network is {done.net}")
        return done.net
    differences = _differences(standing.configuration, community)
    if differences:
        raise AnotherCommunity(
            f"channel {community.channel} is configured otherwise than {folder.path} says: {', '.join(differences)}; "
            "correct the file, because the first rules of a channel stand for good"
        )
    say(f"channel {community.channel} is configured already, by these rules")
    return standing.configuration.net


def _differences(configuration: Configuration, community: CommunityFile) -> list[str]:
    """The differences of the file from the first configuration, in words."""
    first = configuration.rules[0]
    wanted = community.argument()
    stands = {
        "clock": configuration.clock,
        "trust_homes": configuration.trust_homes,
        "period_min": configuration.lengths[0][1],
        "utc_offset_min": configuration.offsets[0][1],
        **{
            name: getattr(first, name)
            for name in ("pricing", "sharing", "readings_by", "estimate_w", "key_delay_h", "heal_s")
        },
        "times": asdict(first.times),
        "exchange": None if first.exchange is None else asdict(first.exchange),
    }
    found = [
        f"{name} is {value}, not {wanted.get(name)}"
        for name, value in stands.items()
        if value != wanted.get(name)
    ]
    if first.carbon != (community.carbon and community.carbon.rule()):
        found.append("the first carbon quota is another one")
    if community.tariff.version() != configuration.tariffs[0]:
        found.append("the first tariff is another one")
    return found


async def _with_operators_key(
    folder: Folder, mspid: str, net: str, key: SigningKey, market: ForwardMarket, say: Callable[[str], None]
) -> None:
    try:
        stored = await market.get_keys(OPERATOR, mspid)
    except Refused as refused:
        if refused.code != "no_key":
            raise
        with Journal(folder.journal) as journal:
            author = Author(key, journal, net, folder.community.channel, mspid)
            await market.set_key(OPERATOR, mspid, author.brings_key(key.public, 1, OPERATOR))
        say("set the operator's key on the ledger")
        return
    if thumbprint(stored.versions[-1].jwk) != key.public.kid:
        raise AnotherCommunity(
            f"the key in {folder.operator_key} is not the operator's key on channel {folder.community.channel}; "
            "put that key there"
        )
