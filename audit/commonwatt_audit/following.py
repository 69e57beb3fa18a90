# SPDX-License-Identifier: Apache-2.0
"""`commonwatt verify --follow`: a channel audited block by block as it grows, and the grid's word for what is right."""

import json
from collections.abc import Callable

from commonwatt_client import Contract, GatewayError, connect_network_file
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.network_file import MARKET, NetworkFile

from commonwatt_audit.audit import Audit, FirstDifference
from commonwatt_audit.exchange.anchors import digest_of
from commonwatt_audit.source import height_of

GRID = "grid"
MOST_PERIODS = 300
"""Versions that one transaction attests."""

Version = tuple[int, int]
Told = Callable[[str], object]


class Attesting:
    """What was computed and is not attested yet; the exchange's transaction writes nothing twice."""

    def __init__(self, channel: str, contract: Contract, told: Told) -> None:
        self._channel = channel
        self._contract = contract
        self._told = told
        self._settlements = 0
        self._noted: set[Version] = set()
        self._waiting: dict[Version, str] = {}

    def note(self, audit: Audit) -> None:
        """Look for versions that are new since the last block."""
        settlements = audit.findings.functions["forward:settle_period"]
        if audit.forward is None or settlements == self._settlements:
            return
        self._settlements = settlements
        ledger = audit.forward.ledger
        for _, record in ledger.under("period/"):
            version = record["period"], record["version"]
            if version not in self._noted:
                self._noted.add(version)
                self._waiting[version] = digest_of(ledger, *version)

    async def attest(self, audit: Audit) -> None:
        """Attest what waits. A network that fails is told, and asked again with the next block.

        FirstDifference where the grid attested something else before.
        """
        block = max(audit.headers)
        while self._waiting:
            some = dict(list(self._waiting.items())[:MOST_PERIODS])
            periods = [
                {"period": period, "version": version, "digest": digest}
                for (period, version), digest in some.items()
            ]
            argument = json.dumps(
                {
                    "channel": self._channel,
                    "periods": periods,
                    "block": block,
                    "header": audit.headers[block],
                }
            )
            try:
                answer = json.loads(await self._contract.evaluate("attest", arguments=[argument]))
                if answer["periods"]:
                    await self._contract.submit("attest", arguments=[argument], retry=True)
            except GatewayError as error:
                self._failed(error)
                return
            self._told(f"block {block}: {answer['periods']} of {len(some)} settlements attested just now")
            for version in some:
                del self._waiting[version]

    def _failed(self, error: GatewayError) -> None:
        response = error.chaincode_response
        code, _, sentence = response.message.partition(": ") if response is not None else ("", "", "")
        if code == "attested_otherwise":
            raise FirstDifference(f"the grid attested something else before: {sentence}") from error
        if sentence:
            raise UsageError(f"the exchange refuses attestations: {code}: {sentence}") from error
        self._told(f"not attested yet, {len(self._waiting)} settlements wait for the next block: {error}")


async def follow(network: NetworkFile, channel: str, exchange: str, told: Told) -> None:
    """Audit a forward market's channel from its first block on, without end, as the grid.

    With the channel of an `exchange` each settlement is attested there, from when all blocks of now are read.
    FirstDifference where the ledger departs from the rules: nothing is attested from then on.
    """
    organization, user = _grid_of(network, channel)
    audit = Audit()
    async with connect_network_file(network.path, organization, user) as gateway:
        height = await height_of(gateway, channel, organization)
        contract = gateway.get_network(exchange or channel).get_contract(MARKET, "exchange")
        attesting = Attesting(channel, contract, told)
        async with gateway.get_network(channel).block_and_private_data_events(start_block=0) as blocks:
            async for found in blocks:
                audit.check(found.block, shown=found.private_values)
                attesting.note(audit)
                if found.block.number + 1 == height:
                    told(f"{height} blocks so far, all as the rules give it")
                if exchange and found.block.number + 1 >= height:
                    await attesting.attest(audit)


def _grid_of(network: NetworkFile, channel: str) -> tuple[str, str]:
    """The organisation and user who attest: the network file's own identity, or the grid's."""
    content = network.content
    described = content["channels"].get(channel, {})
    if described.get("market") != "forward":
        raise UsageError(
            f"{network.path}: {channel or 'no channel'} has no forward market; name one by --channel"
        )
    own = content.get("identity")
    if own:
        return own["organization"], own["user"]
    for organization in described["organizations"]:
        for user, about in content["organizations"][organization]["users"].items():
            if about["attributes"].get("role") == GRID:
                return organization, user
    raise UsageError(f"{network.path} names no user of role {GRID} on channel {channel}, who alone attests")
