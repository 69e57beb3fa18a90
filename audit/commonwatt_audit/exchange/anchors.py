# SPDX-License-Identifier: Apache-2.0
"""A community's ledger against what the exchange says of it: digests of settlements, hashes of block headers."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from commonwatt_client.exit_codes import UsageError

from commonwatt_audit.audit import Audit
from commonwatt_audit.forward.ledger import Ledger, encoded

from .replay import Said


class Compared(NamedTuple):
    """How much of a community's ledger somebody stands behind, and the first contradiction in words (or empty).

    `later` counts what was said of blocks that the audited ledger does not have yet.
    """

    anchors: int
    attestations: int
    settlements: int
    anchored: int
    attested: int
    later: int
    difference: str

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return self._asdict()

    def sentence(self) -> str:
        """For people."""
        told = (
            f"exchange: {self.anchors:,} anchors and {self.attestations:,} attestations compared; of "
            f"{self.settlements:,} settlements {self.anchored:,} are anchored, {self.attested:,} attested"
        )
        return f"{told}; {self.later:,} are about blocks that are not here yet" if self.later else told


def compare_with(exchange: Audit, community: Audit, where: str) -> Compared:
    """Hold an audited community against an audited exchange. UsageError where they are something else."""
    if exchange.exchange is None:
        raise UsageError(
            f"{where} is no exchange between communities; name its channel, or the folder of its blocks"
        )
    if community.forward is None:
        raise UsageError("anchors are of forward markets, which this channel has not")
    channel, ledger = community.channel, community.forward.ledger
    if not exchange.exchange.knows(channel):
        raise UsageError(f"the community of channel {channel} is not registered on the exchange {where}")
    return compared(channel, ledger, community.headers, exchange.exchange.said)


def compared(channel: str, ledger: Ledger, headers: Mapping[int, str], said: list[Said]) -> Compared:
    """Hold a replayed ledger against all that was said of its channel; `headers` are those of its blocks, in hex."""
    about = [one for one in said if one.channel == channel]
    anchors = [one for one in about if one.party.startswith("anchor")]
    settled = {
        (record["period"], record["version"]): digest_of(ledger, record["period"], record["version"])
        for _, record in ledger.under("period/")
    }
    later = [one for one in about if one.block not in headers]
    difference = ""
    for one in about:
        difference = difference or _contradiction(one, settled, headers)
    places = {
        kind: {(period, version) for one in some for period, version, _ in one.periods}
        for kind, some in (("anchored", anchors), ("attested", [one for one in about if one not in anchors]))
    }
    return Compared(
        len(anchors),
        len(about) - len(anchors),
        len(settled),
        len(places["anchored"] & settled.keys()),
        len(places["attested"] & settled.keys()),
        len(later),
        difference,
    )


def digest_of(ledger: Ledger, period: int, version: int) -> str:
    """The SHA-256 over the write-once records of a version: its clearing, import, plan, sums and parts."""
    where = f"{period:09d}/{version:04d}"
    names = [f"cleared/{period:09d}", f"imported/{period:09d}", f"plan/{where}", f"period/{where}"]
    records = [(name, ledger.get(name)) for name in names]
    records += ledger.under(f"part/{where}/")
    pairs = sorted(
        [key, hashlib.sha256(encoded(record)).hexdigest()] for key, record in records if record is not None
    )
    return hashlib.sha256(json.dumps(pairs, separators=(",", ":")).encode()).hexdigest()


def _contradiction(said: Said, settled: Mapping[tuple[int, int], str], headers: Mapping[int, str]) -> str:
    about = f"{said.party} ({said.where})"
    if headers and said.block > max(headers):
        return ""
    found = headers.get(said.block)
    if found is not None and found != said.header:
        return f"{about} says that block {said.block} has the header {said.header}; here it is {found}"
    for period, version, digest in said.periods:
        here = settled.get((period, version))
        if here is None:
            return f"{about} says that version {version} of period {period} is settled; here it is not"
        if here != digest:
            return f"{about} says other records of version {version} of period {period} than stand here"
    return ""
