# SPDX-License-Identifier: Apache-2.0
"""A channel's blocks from first to last: hashes, signatures, verdicts, and every market transaction replayed."""

import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from commonwatt_client.errors import AdminError
from commonwatt_client.ledger import Block, BlockTransaction, openings, read_channel_config, verify_chain
from commonwatt_client.ledger.delivered import PrivateValues
from commonwatt_client.ledger.transaction import decode_transaction
from commonwatt_client.ledger.validation import ValidationCode
from cryptography import x509
from fabric_protos.common import common_pb2

from commonwatt_audit.envelopes import Judged
from commonwatt_audit.exchange.replay import ExchangeReplay
from commonwatt_audit.forward import receipts
from commonwatt_audit.forward.deliveries import Deliveries
from commonwatt_audit.forward.replay import ForwardReplay
from commonwatt_audit.journal import Journal
from commonwatt_audit.members import read_certificate
from commonwatt_audit.replay import Replay
from commonwatt_audit.signatures import Signed, brings_configuration, look_at, trust
from commonwatt_audit.verdicts import Verdict, Verdicts
from commonwatt_audit.world import Difference, PrivateWrite, Recorded

VALIDATION_PARAMETER = "VALIDATION_PARAMETER"
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
    openings: dict[str, str] = field(
        default_factory=dict
    )  # what lets others read now: path -> words, with the block
    started: float = field(default_factory=time.monotonic)

    @property
    def transactions_per_s(self) -> float:
        """Transactions audited per second so far."""
        return self.transactions / max(time.monotonic() - self.started, 1e-9)


class Audit:
    """Takes a channel's blocks in order, beginning with the first."""

    def __init__(self, chaincode: str = "market", journal: Journal | None = None) -> None:
        """`journal` is a home's, whose receipts `receipts` judges afterwards."""
        self.findings = Findings()
        self.chaincode = chaincode
        self._replay = Replay()
        if journal is not None:
            self._replay.forward.deliveries = Deliveries(journal)
        self._verdicts = Verdicts()
        self._before: Block | None = None
        self._config = b""
        self._shown: PrivateValues = {}
        self.headers: dict[int, str] = {}
        """The SHA-256 of each block's header so far, in hex, by number."""

    @property
    def forward(self) -> ForwardReplay | None:
        """The replay of the forward market; None where the channel has another."""
        return self._replay.forward if self._replay.forward.begun else None

    @property
    def channel(self) -> str:
        """The channel of the blocks so far."""
        return trust(self._config)[0].channel

    @property
    def exchange(self) -> ExchangeReplay | None:
        """The replay of the exchange between communities; None where the channel is none."""
        return self._replay.exchange if self._replay.exchange.begun else None

    def receipts(self, now_s: int = 0) -> tuple[receipts.Judged, ...]:
        """The receipts of the journal against the blocks, which are all until `now_s` (0: until the last one)."""
        forward = self.forward
        if forward is None or forward.deliveries is None:
            return ()
        config, policies = trust(self._config)
        return receipts.judge(forward.ledger, forward.deliveries, policies.members, config.channel, now_s)

    def check(self, block: Block, signed: Signed | None = None, shown: PrivateValues | None = None) -> None:
        """Raises FirstDifference. `signed` is what its signatures are like where that was looked at before.

        `shown` are the private values of the block that the auditor may see; None where it may see none.
        """
        self._shown = {} if shown is None else shown
        try:
            self._check_chain(block)
            if self._config:
                self._check_transactions(block, signed or look_at(block, self._config))
            if brings_configuration(block):
                self._config = block.serialized
                self._note_readers(block)
        except AdminError as error:
            raise FirstDifference(f"block {block.number}: {error}") from error
        self.findings.transactions += len(block.envelopes)
        self._before = block
        self.headers[block.number] = block.header_hash.hex()
        self.findings.blocks += 1

    def _note_readers(self, block: Block) -> None:
        before = self.findings.openings
        self.findings.openings = {
            opening.path: before.get(opening.path, f"since block {block.number}: {opening}")
            for opening in openings(read_channel_config(block))
        }

    def _check_chain(self, block: Block) -> None:
        if self._before is None and block.number != 0:
            raise FirstDifference(f"block {block.number} comes first; an audit begins with block 0")
        pair = [block] if self._before is None else [self._before, block]
        for flaw in verify_chain(pair):
            raise FirstDifference(str(flaw))

    def _check_transactions(self, block: Block, signed: Signed) -> None:
        if signed.fault:
            raise FirstDifference(f"block {block.number}: {signed.fault}")
        recorded = block.validations or (None,) * len(block.envelopes)
        transactions = [
            decode_transaction(content, code) if _is_in_order(judged) else None
            for content, code, judged in zip(block.envelopes, recorded, signed.transactions, strict=True)
        ]
        _, policies = trust(self._config)
        verdicts = self._verdicts.of_block(block.number, signed.transactions, transactions, policies)
        for place, verdict in enumerate(verdicts):
            judged, transaction = signed.transactions[place], transactions[place]
            where = f"block {block.number}, transaction {judged.transaction_id or place}"
            if recorded[place] not in (None, verdict.code):
                raise FirstDifference(f"{where}: {_other_verdict(recorded[place], verdict)}")
            if verdict.code != ValidationCode.VALID:
                self.findings.invalid += 1
            elif judged.outdated:
                raise FirstDifference(f"{where}: {judged.outdated}")
            elif transaction is not None:
                self._check_market(block, place, where, transaction)

    def _check_market(self, block: Block, place: int, where: str, transaction: BlockTransaction) -> None:
        try:
            self._replay_market(block, place, transaction)
        except Difference as difference:
            action = transaction.actions[0]
            name = action.arguments[0].decode("utf-8", "replace")[:40] if action.arguments else "?"
            raise FirstDifference(f"{where} ({name}): {difference}") from difference

    def _replay_market(self, block: Block, place: int, transaction: BlockTransaction) -> None:
        for action in transaction.actions:
            own = [each for each in action.read_write_sets if each.namespace == self.chaincode]
            writes = {
                write.key: None if write.is_delete else write.value for each in own for write in each.writes
            }
            hashed = tuple(
                PrivateWrite(
                    each.collection,
                    write.key_hash,
                    None if write.is_delete or write.is_purge else write.value_hash,
                    write.is_purge,
                )
                for namespace in own
                for each in namespace.collections
                for write in each.writes
            )
            policies = {
                each.key: _policy(each.entries) for namespace in own for each in namespace.metadata_writes
            } | {
                each.key_hash.hex(): _policy(each.entries)
                for namespace in own
                for collection in namespace.collections
                for each in collection.metadata_writes
            }
            if action.chaincode != self.chaincode and not writes and not hashed and not policies:
                continue
            recorded = Recorded(
                block=block.number,
                transaction_id=transaction.transaction_id,
                mspid=transaction.creator.mspid,
                attributes=_attributes(transaction.creator.certificate),
                timestamp_s=transaction.timestamp_ns // 1_000_000_000,
                arguments=action.arguments,
                writes=writes,
                channel=transaction.channel,
                reads=frozenset(read.key for each in own for read in each.reads),
                ranges=frozenset((one.start_key, one.end_key) for each in own for one in each.range_queries),
                hashed=hashed,
                policies=policies,
                shown={
                    (collection, key): value
                    for (number, chaincode, collection, key), value in self._shown.items()
                    if number == place and chaincode == self.chaincode
                },
            )
            self._replay.check(recorded)
            self.findings.functions[recorded.function] += 1


def _policy(entries: tuple[tuple[str, bytes], ...]) -> bytes:
    """The endorsement policy in a key's metadata; empty where the metadata is something else."""
    return dict(entries).get(VALIDATION_PARAMETER, b"")


def _is_in_order(judged: Judged) -> bool:
    return judged.code == ValidationCode.VALID and judged.kind == common_pb2.ENDORSER_TRANSACTION


def _other_verdict(recorded: ValidationCode | None, computed: Verdict) -> str:
    stated = "no verdict" if recorded is None else recorded.name
    reason = computed.reason or "nothing is wrong with it"
    return f"recorded as {stated}, by the rules {computed.code.name}: {reason}"


@lru_cache(maxsize=4096)
def _attributes(certificate_pem: bytes) -> Mapping[str, str]:
    """The attributes that Fabric's CA writes into certificates; none where there is no such extension."""
    certificate = read_certificate(certificate_pem)
    try:
        extension = certificate.extensions.get_extension_for_oid(ATTRIBUTES_OID).value
    except x509.ExtensionNotFound:
        return {}
    if not isinstance(extension, x509.UnrecognizedExtension):
        return {}
    attributes: Mapping[str, str] = json.loads(extension.value)["attrs"]
    return attributes
