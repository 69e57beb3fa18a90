"""A channel's blocks from first to last: hashes, signatures, read versions, and every market transaction replayed."""

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from commonwatt_client.admin import AdminError, Block, Transaction, verify_chain
from commonwatt_client.admin.rwset import Version
from commonwatt_client.validation import ValidationCode
from cryptography import x509

from commonwatt_loadgen.verify.replay import Replay
from commonwatt_loadgen.verify.signatures import signature_faults
from commonwatt_loadgen.verify.world import Difference, Recorded

ATTRIBUTES_OID = x509.ObjectIdentifier("1.2.3.4.5.6.7.8.1")


class FirstDifference(Exception):
    """The ledger departs from what it should be; the message names the first place and what is wrong there."""


@dataclass
class Findings:
    """What was looked at, as far as the audit came."""

    blocks: int = 0
    transactions: int = 0
    invalid: int = 0
    functions: Counter[str] = field(default_factory=Counter)
    started: float = field(default_factory=time.monotonic)

    @property
    def transactions_per_s(self) -> float:
        """Transactions audited per second so far."""
        return self.transactions / max(time.monotonic() - self.started, 1e-9)


class Audit:
    """Takes a channel's blocks in order, beginning with the first."""

    def __init__(self, chaincode: str = "market") -> None:
        self.findings = Findings()
        self.chaincode = chaincode
        self._replay = Replay()
        self._versions: dict[str, Version] = {}
        self._ids: set[str] = set()
        self._before: Block | None = None
        self._config = b""

    def check(self, block: Block, faults: Sequence[str] | None = None) -> None:
        """Raises FirstDifference. `faults` are those of the block's signatures where they were checked before."""
        try:
            self._check_chain(block)
            if self._config:
                found = signature_faults(block, self._config, self.chaincode) if faults is None else faults
                for fault in found:
                    raise FirstDifference(fault)
            for place, transaction in enumerate(block.transactions):
                if transaction.kind == "CONFIG":
                    self._config = block.serialized
                elif transaction.kind == "ENDORSER_TRANSACTION":
                    self._check_transaction(block, place, transaction)
                self.findings.transactions += 1
        except AdminError as error:
            raise FirstDifference(f"block {block.number}: {error}") from error
        self._before = block
        self.findings.blocks += 1

    def _check_chain(self, block: Block) -> None:
        if self._before is None and block.number != 0:
            raise FirstDifference(f"block {block.number} comes first; an audit begins with block 0")
        pair = [block] if self._before is None else [self._before, block]
        for flaw in verify_chain(pair):
            raise FirstDifference(str(flaw))

    def _check_transaction(self, block: Block, place: int, transaction: Transaction) -> None:
        where = f"block {block.number}, transaction {transaction.transaction_id}"
        stale = self._stale_reads(transaction)
        if not transaction.valid:
            self.findings.invalid += 1
            if transaction.validation == ValidationCode.MVCC_READ_CONFLICT and not stale:
                raise FirstDifference(f"{where}: called out of date, yet all that it read was current")
            return
        if transaction.transaction_id in self._ids:
            raise FirstDifference(f"{where}: its id was used before")
        if stale:
            raise FirstDifference(f"{where}: valid, yet {stale[0]} had changed since it was read")
        self._ids.add(transaction.transaction_id)
        try:
            self._replay_market(block, place, transaction)
        except Difference as difference:
            action = transaction.actions[0]
            name = action.arguments[0].decode("utf-8", "replace")[:40] if action.arguments else "?"
            raise FirstDifference(f"{where} ({name}): {difference}") from difference

    def _stale_reads(self, transaction: Transaction) -> list[str]:
        return [
            read.key
            for action in transaction.actions
            for namespace in action.read_write_sets
            if namespace.namespace == self.chaincode
            for query in (namespace.reads, *(one.reads for one in namespace.range_queries))
            for read in query
            if self._versions.get(read.key) != read.version
        ]

    def _replay_market(self, block: Block, place: int, transaction: Transaction) -> None:
        for action in transaction.actions:
            writes = {
                write.key: None if write.is_delete else write.value
                for namespace in action.read_write_sets
                if namespace.namespace == self.chaincode
                for write in namespace.writes
            }
            if action.chaincode != self.chaincode and not writes:
                continue
            recorded = Recorded(
                block=block.number,
                transaction_id=transaction.transaction_id,
                mspid=transaction.creator.mspid,
                attributes=_attributes(transaction.creator.certificate),
                timestamp_s=transaction.timestamp[0],
                arguments=action.arguments,
                writes=writes,
            )
            self._replay.check(recorded)
            self.findings.functions[recorded.function] += 1
            for key, value in writes.items():
                if value is None:
                    self._versions.pop(key, None)
                else:
                    self._versions[key] = Version(block.number, place)


@lru_cache(maxsize=4096)
def _attributes(certificate_pem: bytes) -> Mapping[str, str]:
    """The attributes that Fabric's CA writes into certificates; none where there is no such extension."""
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    try:
        extension = certificate.extensions.get_extension_for_oid(ATTRIBUTES_OID).value
    except x509.ExtensionNotFound:
        return {}
    if not isinstance(extension, x509.UnrecognizedExtension):
        return {}
    attributes: Mapping[str, str] = json.loads(extension.value)["attrs"]
    return attributes
