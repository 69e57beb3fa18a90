# SPDX-License-Identifier: Apache-2.0
"""One channel at one peer: its ledger, its configuration in force, its chaincode definitions, and its blocks."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.ledger.queryresult import kv_query_result_pb2
from fabric_protos.peer import collection_pb2, policy_pb2
from google.protobuf.message import DecodeError

from commonwatt_network.embedded.channels.blocks import (
    TRANSACTIONS_FILTER,
    BlockError,
    config_envelope_of,
    verify_block,
)
from commonwatt_network.embedded.channels.configuration import ChannelConfig, ChannelConfigError
from commonwatt_network.embedded.channels.transactions import (
    BlockParser,
    Codes,
    Transaction,
    parse_transaction,
)
from commonwatt_network.embedded.channels.updates import ConfigUpdateError, validate_config_envelope
from commonwatt_network.embedded.faults import PeerFaults
from commonwatt_network.embedded.ledger import CommittedTransaction, Ledger, private_namespace
from commonwatt_network.embedded.ledger.database import explain_failure
from commonwatt_network.embedded.lifecycle.collection_history import collections_of
from commonwatt_network.embedded.lifecycle.collections import (
    CollectionError,
    implicit_collection,
    implicit_collection_mspid,
    implicit_collection_name,
    implicit_endorsement_policy,
    members_of,
)
from commonwatt_network.embedded.lifecycle.invocation import LIFECYCLE_POLICY_REFERENCE, NAMESPACE
from commonwatt_network.embedded.lifecycle.records import (
    NAMESPACES,
    Definition,
    mismatches,
    read_definition,
    read_package_id,
)
from commonwatt_network.embedded.simulation import Simulator
from commonwatt_network.embedded.trust.msp import MEMBER, IdentityRegistry, role_principal
from commonwatt_network.embedded.trust.policies import Policy, PolicyError, compile_application_policy
from commonwatt_network.embedded.trust.signing import SignatureChecks, SigningIdentity
from commonwatt_network.embedded.validation.block import validate_block
from commonwatt_network.embedded.validation.private import Fetch

log = logging.getLogger(__name__)

REMEMBERED_BLOCKS = 16
LONGEST_POLICY_KEPT = 16_384  # bytes; a longer one is compiled anew each time
_rules_versions = count()


class PeerChannel:
    """A channel that the peer has joined. Its attributes change only between two blocks."""

    def __init__(
        self,
        channel_id: str,
        path: Path,
        signer: SigningIdentity,
        checks: SignatureChecks,
        parser: BlockParser,
        fetch_private: Fetch,
    ) -> None:
        """Open the ledger at `path`. Raises LedgerDamaged."""
        self.channel_id = channel_id
        self.signer = signer
        self.ledger = Ledger(path)
        self._checks = checks
        self._parser = parser
        self._fetch_private = fetch_private
        self._definitions: dict[str, Definition | None] = {}
        self._packages: dict[str, str | None] = {}
        self._collections: dict[str, list[tuple[int, Any]]] = {}
        self._memberships: dict[tuple[str, str], bool] = {}
        self._policies: dict[bytes, Policy] = {}
        self.rules_version = next(_rules_versions)
        self._waiting: dict[str, list[asyncio.Future[CommittedTransaction]]] = {}
        self._recent: OrderedDict[int, tuple[Any, tuple[Transaction, ...]]] = OrderedDict()
        self._grown = asyncio.Event()
        self.on_commit: list[Callable[[Any], None]] = []
        try:
            if self.ledger.height:
                self.config = self._read_config()
        except BaseException:
            self.ledger.close()
            raise

    def _read_config(self) -> ChannelConfig:
        try:
            block = self.ledger.block(self.ledger.config_block_number())
            if block is None:
                return ChannelConfig.from_config(
                    self.channel_id, self.ledger.base_configuration(), self._checks
                )
            config = ChannelConfig.from_block(block, self._checks)
        except sqlite3.DatabaseError as error:
            raise explain_failure(self.ledger.path, error) from error
        except DecodeError as error:
            raise ChannelConfigError(f"the block with the configuration cannot be read: {error}") from error
        if config.channel_id != self.channel_id:
            raise ChannelConfigError(
                f"this is the ledger of channel {config.channel_id}, not of {self.channel_id}"
            )
        return config

    @property
    def height(self) -> int:
        return self.ledger.height

    # Growing

    def start_with(self, genesis: Any) -> None:
        """Append block 0. Raises ChannelConfigError, BlockError."""
        self.config = ChannelConfig.from_block(genesis, self._checks)
        verify_block(genesis, 0, b"", None)
        block = _own_copy(genesis)
        transactions = tuple(parse_transaction(encoded) for encoded in block.data.data)
        commit = validate_block(block, transactions, self.ledger, self, self._fetch_private)
        block.metadata.metadata[TRANSACTIONS_FILTER] = bytes([Codes.VALID] * len(transactions))
        self.ledger.append(commit)

    def commit(self, received: Any, faults: PeerFaults | None = None) -> None:
        """Verify, validate and append the next block, and tell those who wait. Raises BlockError."""
        policy = self.config.policies.get("/Channel/Orderer/BlockValidation")
        verify_block(received, self.ledger.height, self.ledger.last_hash, policy)
        block = _own_copy(received)
        transactions = self._parser.parse(received)
        if faults is not None and faults.clashes:
            transactions = _clashing(transactions, faults)
        successor = self._next_config(block) if transactions and transactions[0].is_config else None
        commit = validate_block(block, transactions, self.ledger, self, self._fetch_private)
        self.ledger.append(commit)
        if successor is not None:
            self.config = successor
            self._policies.clear()
            self._memberships.clear()
            self.rules_version = next(_rules_versions)
        if any(namespace.startswith(NAMESPACE) for namespace, _ in commit.updates):
            self.read_definitions_anew()
        number = block.header.number
        self._recent[number] = (block, transactions)
        if len(self._recent) > REMEMBERED_BLOCKS:
            self._recent.popitem(last=False)
        for transaction_id, position, code in commit.transactions:
            for future in self._waiting.pop(transaction_id, ()):
                if not future.done():
                    future.set_result(CommittedTransaction(number, position, code))
        self._grown.set()
        self._grown = asyncio.Event()
        for listener in self.on_commit:
            listener(block)

    def read_definitions_anew(self) -> None:
        """Forget what was read of the chaincodes' definitions: their records have changed."""
        self._definitions.clear()
        self._packages.clear()
        self._collections.clear()
        self._memberships.clear()
        self.rules_version = next(_rules_versions)

    def _next_config(self, block: Any) -> ChannelConfig | None:
        """The configuration that a block brings, if any. Raises BlockError if it was not rightly authorised."""
        proposed = config_envelope_of(block)
        if proposed is None:
            return None
        try:
            validate_config_envelope(self.channel_id, self.config.config, self.config.policies, proposed)
            return self.config.successor(proposed.config)
        except (ConfigUpdateError, ChannelConfigError) as error:
            raise BlockError(f"error validating config block {block.header.number}: {error}") from error

    # Reading

    def block(self, number: int) -> Any | None:
        recent = self._recent.get(number)
        return recent[0] if recent else self.ledger.block(number)

    def transactions(self, number: int) -> tuple[tuple[Transaction, int], ...]:
        """The transactions of a committed block with their codes."""
        recent = self._recent.get(number)
        block = recent[0] if recent else self.ledger.block(number)
        if block is None:
            return ()
        parsed = recent[1] if recent else tuple(parse_transaction(encoded) for encoded in block.data.data)
        return tuple(zip(parsed, block.metadata.metadata[TRANSACTIONS_FILTER], strict=True))

    async def wait_for_height(self, height: int) -> None:
        """Wait until the ledger has `height` blocks."""
        while self.ledger.height < height:
            await self._grown.wait()

    async def committed(self, transaction_id: str) -> CommittedTransaction:
        """Wait for a transaction's block."""
        found = self.ledger.transaction(transaction_id)
        if found is not None:
            return found
        future: asyncio.Future[CommittedTransaction] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(transaction_id, [])
        waiting.append(future)
        try:
            return await future
        finally:
            if future in waiting:
                waiting.remove(future)
            if not waiting:
                self._waiting.pop(transaction_id, None)

    def simulator(self, transaction_id: str) -> Simulator:
        return Simulator(transaction_id, self.ledger.view(), self.collection_names)

    def history(self, namespace: str, key: str) -> Iterator[Any]:
        """KeyModifications of a key, newest first."""
        for _, transaction, write in self.writes_of(namespace, key):
            yield kv_query_result_pb2.KeyModification(
                tx_id=transaction.transaction_id,
                value=write.value,
                timestamp=transaction.channel_header.timestamp,
                is_delete=write.is_delete or not write.value,
            )

    def writes_of(self, namespace: str, key: str) -> Iterator[tuple[int, Transaction, Any]]:
        """(block number, transaction, its KVWrite) for each valid write of a key, newest first."""
        for number, position in self.ledger.history(namespace, key.encode()):
            block = self.block(number)
            if block is None:
                continue
            transaction = parse_transaction(block.data.data[position])
            if transaction.endorsed is None:
                continue
            for sets in transaction.endorsed.namespaces:
                for write in sets.public.writes if sets.namespace == namespace else ():
                    if write.key == key:
                        yield number, transaction, write

    # Chaincode definitions, as committed

    def _read_lifecycle(self, key: str) -> bytes | None:
        found = self.ledger.state.get(NAMESPACE, key.encode())
        return found.value if found else None

    def _read_own_approval(self, key: str) -> bytes | None:
        namespace = private_namespace(NAMESPACE, implicit_collection_name(self.signer.mspid))
        found = self.ledger.state.get(namespace, key.encode())
        return found.value if found else None

    def definition(self, name: str) -> Definition | None:
        if name not in self._definitions:
            self._definitions[name] = read_definition(name, self._read_lifecycle)
        return self._definitions[name]

    def defined_chaincodes(self) -> list[str]:
        prefix = f"{NAMESPACES}/metadata/"
        entries = self.ledger.state.range(NAMESPACE, prefix.encode(), (prefix + "\x7f").encode())
        names = [key.decode().removeprefix(prefix) for key, _ in entries]
        return [name for name in names if self.definition(name) is not None]

    def approved_package(self, name: str) -> str | None:
        """The package that this peer's organisation approved for the definition in force.

        Empty where it approved without a package, None where it has not approved what was committed.
        """
        if name not in self._packages:
            definition = self.definition(name)
            self._packages[name] = None
            if definition is not None:
                private_name = f"{name}#{definition.sequence}"
                record = definition.parameters.record()
                hashed = self._hash_own_approval
                if not mismatches(NAMESPACES, private_name, record, hashed):
                    self._packages[name] = read_package_id(private_name, self._read_own_approval) or ""
        return self._packages[name]

    def _hash_own_approval(self, key: str) -> bytes | None:
        value = self._read_own_approval(key)
        return None if value is None else sha256(value).digest()

    def collection_names(self, namespace: str, read: Callable[[str], bytes | None]) -> set[str] | None:
        """A chaincode's collections as a simulation sees them, implicit ones included."""
        organizations = self.config.application_organizations.values()
        names = {implicit_collection_name(organization.mspid) for organization in organizations}
        if namespace == NAMESPACE:
            return names
        definition = read_definition(namespace, read)
        if definition is None:
            return None
        package = definition.parameters.collection_package
        return names | {entry.static_collection_config.name for entry in package.config}

    def collection(self, namespace: str, name: str) -> Any | None:
        """The StaticCollectionConfig of a collection, explicit or implicit."""
        mspid = implicit_collection_mspid(name)
        if mspid is not None:
            return implicit_collection(mspid)
        definition = self.definition(namespace)
        return definition.parameters.collection(name) if definition else None

    def collection_before(self, number: int, namespace: str, name: str) -> Any | None:
        """The StaticCollectionConfig that was in force when block `number` came; implicit ones always are."""
        mspid = implicit_collection_mspid(name)
        if mspid is not None:
            return implicit_collection(mspid)
        if namespace not in self._collections:
            self._collections[namespace] = [
                (since, collection_pb2.CollectionConfigPackage.FromString(package))
                for since, package in collections_of(self, namespace)
            ]
        for since, package in reversed(self._collections[namespace]):
            if since < number:
                entries = (entry.static_collection_config for entry in package.config)
                return next((entry for entry in entries if entry.name == name), None)
        return None

    # Rules for validation

    @property
    def registry(self) -> IdentityRegistry:
        return self.config.registry

    def chaincode_policy(self, name: str) -> bytes | None:
        if name == NAMESPACE:
            return self._lifecycle_policy()
        definition = self.definition(name)
        return bytes(definition.parameters.validation.validation_parameter) if definition else None

    def _lifecycle_policy(self) -> bytes:
        if LIFECYCLE_POLICY_REFERENCE in self.config.policies:
            policy = policy_pb2.ApplicationPolicy(channel_config_policy_reference=LIFECYCLE_POLICY_REFERENCE)
        else:
            mspids = sorted(org.mspid for org in self.config.application_organizations.values())
            policy = policy_pb2.ApplicationPolicy()
            signature = policy.signature_policy
            signature.identities.extend(role_principal(mspid, MEMBER) for mspid in mspids)
            signature.rule.n_out_of.n = len(mspids) // 2 + 1
            for index in range(len(mspids)):
                signature.rule.n_out_of.rules.add(signed_by=index)
        encoded: bytes = policy.SerializeToString()
        return encoded

    def collection_policy(self, namespace: str, collection: str) -> bytes:
        mspid = implicit_collection_mspid(collection)
        try:
            if mspid is not None:
                return implicit_endorsement_policy(mspid, self.config)
        except CollectionError as error:
            raise PolicyError(str(error)) from error
        found = self.collection(namespace, collection)
        if found is None:
            raise PolicyError(f"no such collection '{collection}'")
        return (
            bytes(found.endorsement_policy.SerializeToString())
            if found.HasField("endorsement_policy")
            else b""
        )

    def compile(self, policy: bytes) -> Policy:
        key = sha256(policy).digest()
        compiled = self._policies.get(key)
        if compiled is None:
            compiled = compile_application_policy(policy, self.config.registry, self.config.policies)
            if len(self._policies) >= 1000:
                self._policies.clear()
            if len(policy) <= LONGEST_POLICY_KEPT:
                self._policies[key] = compiled
        return compiled

    def is_member(self, namespace: str, collection: str) -> bool:
        key = (namespace, collection)
        if key not in self._memberships:
            self._memberships[key] = self.identity_is_member(self.signer.creator, namespace, collection)
        return self._memberships[key]

    def identity_is_member(self, creator: bytes, namespace: str, collection: str) -> bool:
        found = self.collection(namespace, collection)
        return found is not None and self._is_among_members(creator, found)

    def may_be_told(self, creator: bytes, number: int, namespace: str, collection: str) -> bool:
        """Whether a reader of block `number` gets its private data too: each one, unless only members read them."""
        found = self.collection_before(number, namespace, collection)
        return found is not None and (not found.member_only_read or self._is_among_members(creator, found))

    def _is_among_members(self, creator: bytes, collection: Any) -> bool:
        try:
            identity = self.config.registry.deserialize(creator)
            members_of(collection, self.config).evaluate_identities([identity])
        except Exception as error:
            log.debug("%s is no member of %s: %s", creator[:40], collection.name, error)
            return False
        return True

    def block_to_live(self, namespace: str, collection: str) -> int:
        found = self.collection(namespace, collection)
        return int(found.block_to_live) if found is not None else 0

    def close(self) -> None:
        self.ledger.close()


def _clashing(transactions: tuple[Transaction, ...], faults: PeerFaults) -> tuple[Transaction, ...]:
    """The transactions with as many of them in conflict as a test has asked for."""
    result = []
    for transaction in transactions:
        endorsed = transaction.endorsed
        if faults.clashes and endorsed is not None and endorsed.chaincode_name != NAMESPACE:
            faults.clashes -= 1
            transaction = replace(transaction, code=int(Codes.MVCC_READ_CONFLICT))
        result.append(transaction)
    return tuple(result)


def _own_copy(block: Any) -> Any:
    """The block with metadata of its own, for each peer writes its verdicts there."""
    copy = common_pb2.Block(header=block.header, data=block.data)
    copy.metadata.CopyFrom(block.metadata)
    return copy
