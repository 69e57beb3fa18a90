# SPDX-License-Identifier: Apache-2.0
"""An auditor's script: replay a forward market's channel from its blocks, then write the prices that the blocks prove.

    python prices.py .commonwatt/network.json newtown newtown operator > prices.csv

The arguments are the network's file, the channel, and who reads: organisation and user. The script trusts no peer. It
computes every record anew, and ends with 1 at the first one that differs.
"""

import asyncio
import csv
import sys
from datetime import UTC, datetime
from pathlib import Path

from commonwatt_audit.audit import Audit, FirstDifference
from commonwatt_audit.parallel import ParallelAudit
from commonwatt_audit.source import shown_blocks_of_network
from commonwatt_client import ClientError
from commonwatt_client.exit_codes import UsageError


async def replay(network_file: str, channel: str, organization: str, user: str) -> Audit:
    """All blocks that the organisation's peer has now. FirstDifference where one is not as the rules give it."""
    audit = Audit()
    with ParallelAudit(audit) as parallel:
        async for block, shown in shown_blocks_of_network(Path(network_file), channel, organization, user):
            parallel.check(block, shown)
    return audit


def write_prices(audit: Audit) -> None:
    """A line for each period that was cleared, in the order of time."""
    if audit.forward is None:
        sys.exit("the channel has no forward market")
    table = csv.writer(sys.stdout)
    table.writerow(["period", "begins_utc", "price_uaud_per_kwh", "traded_wh"])
    for key, cleared in audit.forward.ledger.under("cleared/"):
        period = int(key.removeprefix("cleared/"))
        begins = datetime.fromtimestamp(period * 60, UTC)
        table.writerow(
            [period, f"{begins:%Y-%m-%dT%H:%M}", cleared["price_uaud_per_kwh"], cleared["traded_wh"]]
        )


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    try:
        audited = asyncio.run(replay(*sys.argv[1:]))
    except (FirstDifference, ClientError, UsageError) as error:
        sys.exit(f"prices.py: {error}")
    write_prices(audited)
    print(f"{audited.findings.blocks} blocks, all as the rules give it", file=sys.stderr)
