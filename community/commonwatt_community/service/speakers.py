# SPDX-License-Identifier: Apache-2.0
"""The signer of a message: the home, its meter or the operator, by the keys that stand on the ledger."""

from dataclasses import dataclass

from commonwatt_chaincode.messages.fields import LOGIN
from commonwatt_chaincode.messages.keys import PublicKey
from commonwatt_chaincode.messages.message import Message, verify
from commonwatt_chaincode.messages.refusals import MessageCode, MessageRefused
from commonwatt_chaincode.messages.versions import RECOVERED, KeyRecord

from .ledger import Ledger

HOME, METER, OPERATOR = "home", "meter", "operator"


@dataclass(frozen=True)
class Speaker:
    """An author, whose keys these are (an operator's: the MSP id), and the key of the message."""

    author: str
    owner: str
    key: PublicKey


async def speaker_of(message: Message, ledger: Ledger) -> Speaker:
    """The author that signed a message; the contract judges whether the key is in force for its period.

    MessageRefused for another network or channel, for an unknown key, and for a wrong signature.
    """
    speaker, _ = await _found(message, ledger)
    await _verified(message, speaker.key, ledger, message.typ)
    return speaker


async def logged_in(message: Message, ledger: Ledger) -> Speaker:
    """The author that logs in. MessageRefused also for a key that is not in force, see `_may_log_in`."""
    speaker, record = await _found(message, ledger)
    await _verified(message, speaker.key, ledger, LOGIN)
    if not _may_log_in(record, speaker.key.kid, await ledger.market_minute()):
        raise MessageRefused(MessageCode.KEY_NOT_IN_FORCE, "the key that the header names is not in force")
    return speaker


async def _found(message: Message, ledger: Ledger) -> tuple[Speaker, KeyRecord]:
    mspid = (await ledger.standing()).configuration.mspid
    places = [(HOME, message.home), (METER, message.home), (OPERATOR, mspid)]
    if message.home == mspid:
        places = [(OPERATOR, mspid)]
    elif message.typ == LOGIN:
        places.pop()
    for author, owner in places:
        record = await ledger.keys(author, owner, message.kid)
        for version in record.versions if record else ():
            if record is not None and version.key.kid == message.kid:
                return Speaker(author, owner, version.key), record
    raise MessageRefused(MessageCode.UNKNOWN_KEY, "the key that the header names is not registered")


async def _verified(message: Message, key: PublicKey, ledger: Ledger, typ: str) -> None:
    net = (await ledger.standing()).configuration.net
    verify(message, key, net=net, channel=ledger.channel, typs={typ})


def _may_log_in(record: KeyRecord, kid: str, minute: int) -> bool:
    """Whether no later key is in force by now: a thief of a key that was replaced stays outside.

    A key that its predecessor consented to may log in before it counts; a recovered one only from then on, since its
    home has until then to object.
    """
    numbers = {version.key.kid: number for number, version in enumerate(record.versions)}
    number = numbers[kid]
    own = record.versions[number]
    if own.came_by == RECOVERED and own.from_period > minute:
        return False
    return all(version.from_period > minute for version in record.versions[number + 1 :])
