# SPDX-License-Identifier: Apache-2.0
"""What an endorsing peer reads of a community's channel: a query of its contract ``forward``, called across channels.

Such a call is read-only, and nothing of what it read is in this transaction's read set: the two peers that endorse
vouch for it. A peer asks whether the *creator* is a writer of the other channel.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from ..shim import ChaincodeCallError, Refusal, Stub
from ..shim.arguments import checker
from .records import Community
from .refusals import Code, refuse

CONTRACT = "forward"
LARGEST_ANSWER = 1 << 20
PASSING = frozenset({"not_settled", "not_cleared", "gate_open", "data_not_here"})
"""What a peer answers that is behind the other one, or a caller who is early: ask again."""

Answer = TypeVar("Answer")


async def ask(
    stub: Stub, community: Community, name: str, argument: Mapping[str, Any], kind: type[Answer]
) -> Answer:
    """The answer of a query of the community's contract, of this form.

    ``not_here`` where this peer cannot ask, ``not_settled`` where it has to be asked later, ``community_refused``
    where the community's contract refuses or answers something else.
    """
    where = f"{CONTRACT}:{name} of channel {community.channel}"
    try:
        payload = await stub.invoke_chaincode(
            community.chaincode, [f"{CONTRACT}:{name}", json.dumps(argument)], community.channel
        )
    except ChaincodeCallError as error:
        raise _refusal(where, error) from error
    if len(payload) > LARGEST_ANSWER:
        raise refuse(Code.COMMUNITY_REFUSED, f"{where} answered {len(payload)} bytes")
    try:
        answer: Answer = checker(kind)(json.loads(payload), "answer")
    except (ValueError, RecursionError, Refusal) as error:
        raise refuse(
            Code.COMMUNITY_REFUSED, f"{where} answered something else: {str(error)[:200]}"
        ) from error
    return answer


def _refusal(where: str, error: ChaincodeCallError) -> Refusal:
    """A contract's refusal has status 400 and reads ``code: sentence``; a peer's own has 500."""
    if error.status != 400:
        return refuse(
            Code.NOT_HERE,
            f"this peer cannot ask {where} for the caller, who has to be a writer there: {error.message[:300]}",
        )
    code = error.message.partition(": ")[0]
    return refuse(
        Code.NOT_SETTLED if code in PASSING else Code.COMMUNITY_REFUSED, f"{where}: {error.message[:300]}"
    )
