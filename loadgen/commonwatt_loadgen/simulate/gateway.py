# SPDX-License-Identifier: Apache-2.0
"""Market transactions over Fabric's Gateway: each user with its own identity, all over one connection."""

import asyncio
import json
import time
from pathlib import Path

from commonwatt_client import (
    Connection,
    Contract,
    EndorseError,
    EvaluateError,
    GatewayError,
    RetryPolicy,
    connect,
)
from commonwatt_client.network_file import Community
from commonwatt_client.profile import network_file_peers, network_file_user
from commonwatt_community.hems.latecomers import LATECOMER_PAUSE_S, LATECOMER_TRIES, MAY_BE_BEHIND

from commonwatt_loadgen.simulate.calls import OPERATOR, Argument, Refused, Result
from commonwatt_loadgen.simulate.latency import Latencies

CHAINCODE = "market"
_RETRY = RetryPolicy(max_tries=12, first_pause_s=0.02, longest_pause_s=1.0)


class GatewayCalls:
    """`MarketCalls` of one community over a network that is up."""

    def __init__(self, network_file: Path, community: Community, latencies: Latencies) -> None:
        self._path = network_file
        self._community = community
        self._latencies = latencies
        self._connection = Connection(network_file_peers(network_file, community.organization))
        self._contracts: dict[str, Contract] = {}

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()

    async def submit(self, user: str, transaction: str, argument: Argument) -> Result:
        """See `MarketCalls`; a call that lost a race or met a peer that is behind is tried again.

        Raises:
            Refused: the contract refused it.
            GatewayError: the network failed it.
        """
        contract = self._contract(user)
        text = json.dumps(argument)
        started = time.monotonic()
        for attempt in range(1, LATECOMER_TRIES + 1):
            try:
                outcome = await contract.submit(transaction, arguments=(text,), retry=_RETRY)
                break
            except EndorseError as error:
                refused = _refusal(error, transaction, user)
                if refused.code not in MAY_BE_BEHIND or attempt == LATECOMER_TRIES:
                    raise refused from error
                self._latencies.retries += 1
                await asyncio.sleep(LATECOMER_PAUSE_S * attempt)
        self._latencies.record(transaction, time.monotonic() - started)
        self._latencies.retries += outcome.tries - 1
        result: Result = json.loads(outcome.result)
        return result

    async def evaluate(self, user: str, transaction: str, argument: Argument) -> Result:
        """See `MarketCalls`.

        Raises:
            Refused: the contract refused it.
            GatewayError: the network failed it.
        """
        try:
            answer = await self._contract(user).evaluate(
                transaction, arguments=(json.dumps(argument),), retry=_RETRY
            )
        except EvaluateError as error:
            raise _refusal(error, transaction, user) from error
        result: Result = json.loads(answer)
        return result

    def _contract(self, user: str) -> Contract:
        if user not in self._contracts:
            name = self._community.operator if user == OPERATOR else self._community.homes[user]
            identity, signer = network_file_user(self._path, self._community.organization, name)
            gateway = connect(self._connection, identity=identity, signer=signer)
            self._contracts[user] = gateway.get_network(self._community.channel).get_contract(CHAINCODE)
        return self._contracts[user]


def _refusal(error: GatewayError, transaction: str, user: str) -> Refused:
    """The contract's refusal behind an error; any other error is raised as it is."""
    response = error.chaincode_response
    if response is None:
        raise error
    code, separator, sentence = response.message.partition(": ")
    if not separator:
        raise error
    return Refused(code, sentence, transaction, user)
