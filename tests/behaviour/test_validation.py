# SPDX-License-Identifier: Apache-2.0
"""What orderers and validating peers make of transactions that no honest client sends, on every backend.

Each is put together here (`forged.py`) and handed to the orderer itself, past the Gateway. Every expectation was
first seen to hold on real Fabric.
"""

from __future__ import annotations

import asyncio
import datetime
import itertools
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from commonwatt_client import EndorseError, EvaluateError, EventsError, Peer, SubmitError
from commonwatt_client.admin import (
    APPLICATION,
    OrderingClient,
    RefusedError,
    assemble_update,
    compute_update,
    revoke_certificates,
    sign_update,
    wait_for_config,
)
from commonwatt_network.channels.deploy import peer_admin
from commonwatt_network.trust.certificates import KeyPair
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from fabric_protos.common import common_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.peer import chaincode_event_pb2, transaction_pb2

from .forged import CHANNEL, Edit, Forged, Member, Parts, authority, enrol, forge, member, member_with

PROGRAMS = Path(__file__).parent / "chaincode" / "programs.py"
NAME = "judged"
CLIENTS = "AND('NewtownMSP.client', 'NewtownMSP.client', 'GridMSP.client')"
POLICY = f"OutOf(2, 'NewtownMSP.admin', 'GridMSP.admin', {CLIENTS})"


@pytest.fixture(scope="module")
def judged(network: Any) -> Any:
    """The network with a chaincode whose policy users can satisfy, so that tests may endorse what they like."""
    network.deploy(PROGRAMS, NAME, endorsement_policy=POLICY)
    return network


@asynccontextmanager
async def orderer_as(network: Any, who: Member) -> AsyncIterator[OrderingClient]:
    orderer = network.nodes.orderers[0]
    async with OrderingClient(
        Peer(
            orderer.address,
            network.nodes.layout.tls_ca_certificate(orderer.organization),
            tls_server_name=orderer.name,
        ),
        identity=who.identity,
        signer=who.signer,
    ) as client:
        yield client


async def codes_of(network: Any, transactions: Iterable[Forged]) -> list[str]:
    """Hand over the transactions in this order, and wait for the code of each, by its envelope."""
    wanted = [transaction.envelope for transaction in transactions]
    codes: dict[bytes, list[str]] = {envelope: [] for envelope in wanted}
    creator = member(network.nodes, "newtown", "operator")
    async with (
        peer_admin(network.nodes, network.nodes.peers[0]) as peer,
        orderer_as(network, creator) as orderer,
    ):
        number = (await peer.get_chain_info(CHANNEL)).height
        for envelope in wanted:
            await orderer.broadcast(envelope)
        found = 0
        async with asyncio.timeout(20):
            async for block in peer.blocks(CHANNEL, number):
                content = common_pb2.Block.FromString(block.serialized)
                for envelope, code in zip(content.data.data, content.metadata.metadata[2], strict=True):
                    if envelope in codes:
                        codes[envelope].append(transaction_pb2.TxValidationCode.Name(code))
                        found += 1
                if found >= len(wanted):
                    break
    return [codes[envelope].pop(0) for envelope in wanted]


def both_admins(network: Any) -> tuple[Member, Member]:
    return member(network.nodes, "newtown", "admin"), member(network.nodes, "grid", "admin")


async def test_every_set_of_endorsers_is_judged_by_the_nested_policy(judged: Any) -> None:
    people = [
        member(judged.nodes, organization, user)
        for organization, user in (
            ("newtown", "admin"),
            ("grid", "admin"),
            ("newtown", "operator"),
            ("newtown", "home001"),
            ("grid", "operator"),
        )
    ]
    subsets = list(itertools.product((False, True), repeat=len(people)))
    transactions, expected = [], []
    for number, chosen in enumerate(subsets):
        endorsers = [who for who, signs in zip(people, chosen, strict=True) if signs]
        transactions.append(forge(people[2], endorsers, NAME, f"nested{number}"))
        enough = chosen[0] + chosen[1] + all(chosen[2:]) >= 2
        expected.append("VALID" if enough else "ENDORSEMENT_POLICY_FAILURE")
    assert await codes_of(judged, transactions) == expected


def junk(layer: str) -> Edit:
    return lambda parts: parts.raw.update({layer: b"\xff\xff"})


def header(**fields: Any) -> Edit:
    def edit(parts: Parts) -> None:
        for name, value in fields.items():
            setattr(parts.channel_header, name, value)

    return edit


def named(what: str, **fields: str) -> Edit:
    """Change what the channel header's extension (`chaincode`) or the action says of the chaincode."""
    return lambda parts: getattr(parts, what).chaincode_id.MergeFrom(
        type(getattr(parts, what).chaincode_id)(**fields)
    )


def also_writes(namespace: str) -> Edit:
    write = kv_rwset_pb2.KVWrite(key="k", value=b"v")
    return lambda parts: parts.namespaces.append((namespace, kv_rwset_pb2.KVRWSet(writes=[write])))


def event_of(chaincode: str) -> Edit:
    event = chaincode_event_pb2.ChaincodeEvent(chaincode_id=chaincode, event_name="forged")
    return lambda parts: parts.raw.update(event=event.SerializeToString())


def has_read(key: str, block: int) -> Edit:
    def edit(parts: Parts) -> None:
        parts.namespaces[0][1].reads.add(key=key).version.block_num = block

    return edit


def endorsed_by(*places: int) -> Edit:
    """The endorsers at these places alone."""

    def edit(parts: Parts) -> None:
        parts.endorsers = [parts.endorsers[place] for place in places]

    return edit


# What ends before endorsements are looked at. Beside well-formed transactions in one block, some of these end
# process of a peer of Fabric 3.1.5 ("no action"), or its work on the channel ("junk for results").
MALFORMED: dict[str, tuple[str, Edit]] = {
    "a type without meaning": ("BAD_COMMON_HEADER", header(type=77)),
    "a plain message": ("BAD_COMMON_HEADER", header(type=common_pb2.MESSAGE)),
    "an epoch": ("BAD_COMMON_HEADER", header(epoch=1)),
    "no nonce": ("BAD_COMMON_HEADER", lambda parts: parts.signature_header.ClearField("nonce")),
    "another transaction id": ("BAD_PROPOSAL_TXID", header(tx_id="00" * 32)),
    "no transaction id": ("BAD_PROPOSAL_TXID", header(tx_id="")),
    "junk for a transaction": ("INVALID_ENDORSER_TRANSACTION", junk("transaction")),
    "no action": ("INVALID_ENDORSER_TRANSACTION", lambda parts: setattr(parts, "actions", 0)),
    "two actions": ("INVALID_ENDORSER_TRANSACTION", lambda parts: setattr(parts, "actions", 2)),
    "an action without nonce": (
        "INVALID_ENDORSER_TRANSACTION",
        lambda parts: parts.action_header.ClearField("nonce"),
    ),
    "an action without creator": (
        "INVALID_ENDORSER_TRANSACTION",
        lambda parts: parts.action_header.ClearField("creator"),
    ),
    "junk for an action": ("INVALID_ENDORSER_TRANSACTION", junk("action_payload")),
    "junk for a response": ("INVALID_ENDORSER_TRANSACTION", junk("response")),
    "no proposal": ("INVALID_ENDORSER_TRANSACTION", lambda parts: parts.raw.update(proposal=b"")),
    "the hash of another proposal": ("INVALID_ENDORSER_TRANSACTION", junk("proposal_hash")),
    "junk for a header extension": ("BAD_HEADER_EXTENSION", junk("extension")),
    "junk for a chaincode action": ("BAD_RESPONSE_PAYLOAD", junk("chaincode_action")),
    "junk for results": ("BAD_RWSET", junk("results")),
    "junk for a namespace's reads and writes": ("BAD_RWSET", junk("rwset")),
    "no chaincode in the header": (
        "INVALID_OTHER_REASON",
        lambda parts: parts.chaincode.ClearField("chaincode_id"),
    ),
    "no chaincode in the action": (
        "INVALID_OTHER_REASON",
        lambda parts: parts.chaincode_action.ClearField("chaincode_id"),
    ),
    "another chaincode in the header": ("INVALID_CHAINCODE", named("chaincode", name="other")),
    "another chaincode in the action": ("INVALID_CHAINCODE", named("chaincode_action", name="other")),
    "a chaincode without version": (
        "INVALID_CHAINCODE",
        lambda parts: parts.chaincode_action.chaincode_id.ClearField("version"),
    ),
    "junk for an event": ("INVALID_OTHER_REASON", junk("event")),
    "another chaincode's event": ("INVALID_OTHER_REASON", event_of("other")),
    "a namespace twice": ("ILLEGAL_WRITESET", also_writes(NAME)),
}
WELL_FORMED: dict[str, tuple[str, Edit]] = {
    "nothing edited": ("VALID", lambda parts: None),
    "junk for a proposal": ("VALID", junk("proposal")),
    "another version": ("VALID", named("chaincode_action", version="0.9")),
    "an event of its own": ("VALID", event_of(NAME)),
    "a refusal endorsed": ("VALID", lambda parts: setattr(parts.chaincode_action.response, "status", 500)),
    "writes of a chaincode that is not there": ("INVALID_CHAINCODE", also_writes("nobody")),
    "writes of the lifecycle": ("ENDORSEMENT_POLICY_FAILURE", also_writes("_lifecycle")),
    "no endorsement": ("ENDORSEMENT_POLICY_FAILURE", endorsed_by()),
    "one endorser twice": ("ENDORSEMENT_POLICY_FAILURE", endorsed_by(0, 0)),
    "a version that never was": ("MVCC_READ_CONFLICT", has_read("never", 7)),
    "an empty key": ("VALID", lambda parts: setattr(parts.namespaces[0][1].writes[0], "key", "")),
}


@pytest.mark.parametrize("edits", [MALFORMED, WELL_FORMED], ids=["malformed", "well-formed"])
async def test_transactions_get_fabrics_codes(judged: Any, edits: dict[str, tuple[str, Edit]]) -> None:
    creator, admins = member(judged.nodes, "newtown", "operator"), both_admins(judged)
    transactions = [forge(creator, admins, NAME, what, edit) for what, (_, edit) in edits.items()]
    codes = await codes_of(judged, transactions)
    assert dict(zip(edits, codes, strict=True)) == {what: code for what, (code, _) in edits.items()}


async def test_a_transaction_id_counts_once_however_its_copies_are_made(judged: Any) -> None:
    creator, admins = member(judged.nodes, "newtown", "operator"), both_admins(judged)
    nonces = [secrets.token_bytes(24) for _ in range(4)]

    def copy(place: int, *edits: Edit) -> Forged:
        return forge(creator, admins, NAME, "copies", *edits, nonce=nonces[place])

    first = (copy(0), copy(1, endorsed_by(0)), copy(2, has_read("never", 7)), copy(3, header(epoch=1)))
    assert await codes_of(judged, first) == [
        "VALID",
        "ENDORSEMENT_POLICY_FAILURE",
        "MVCC_READ_CONFLICT",
        "BAD_COMMON_HEADER",
    ]
    edited = (
        copy(0, junk("results")),
        copy(1, junk("extension")),
        copy(0, header(epoch=1)),
        copy(0, junk("transaction")),
    )
    assert await codes_of(judged, edited) == [
        "DUPLICATE_TXID",
        "DUPLICATE_TXID",
        "BAD_COMMON_HEADER",
        "INVALID_ENDORSER_TRANSACTION",
    ]
    again = [copy(place) for place in range(4)]
    assert await codes_of(judged, again) == ["DUPLICATE_TXID"] * 4


NO_WRITER = (
    "implicit policy evaluation failed - 0 sub-policies were satisfied, but this policy requires 1 of the "
    "'Writers' sub-policies to be satisfied: permission denied"
)
REFUSED: dict[str, tuple[Edit, str]] = {
    "junk": (junk("payload"), "could not determine channel ID: error unmarshalling Payload: "),
    "nothing": (
        lambda parts: parts.raw.update(payload=b""),
        "could not determine channel ID: header not set",
    ),
    "junk for a signature": (junk("signature"), NO_WRITER),
    "no creator": (lambda parts: parts.signature_header.ClearField("creator"), NO_WRITER),
    "junk for a creator": (lambda parts: setattr(parts.signature_header, "creator", b"\xff"), NO_WRITER),
    "another channel": (header(channel_id="nowhere"), "channel does not exist"),
    "no channel": (header(channel_id=""), "channel does not exist"),
    "a configuration": (
        header(type=common_pb2.CONFIG),
        "message is of type that cannot be processed directly",
    ),
    "an orderer's transaction": (
        header(type=common_pb2.ORDERER_TRANSACTION),
        "message is of type that is no longer supported",
    ),
    "no update of the configuration": (
        header(type=common_pb2.CONFIG_UPDATE),
        "error applying config update to existing channel 'trials': error authorizing update: ",
    ),
}


async def refusal(network: Any, transaction: Forged) -> str:
    """Why the orderer does not take the transaction."""
    async with orderer_as(network, member(network.nodes, "newtown", "operator")) as orderer:
        with pytest.raises(RefusedError) as refused:
            await orderer.broadcast(transaction.envelope)
    return refused.value.answer


async def test_what_the_orderer_refuses_and_in_which_words(judged: Any) -> None:
    if judged.version.startswith("2."):
        pytest.skip("Fabric 2.5 has other words for some of these")
    creator, admins = member(judged.nodes, "newtown", "operator"), both_admins(judged)
    for what, (edit, words) in REFUSED.items():
        answer = await refusal(judged, forge(creator, admins, NAME, what, edit))
        assert answer.startswith(words), what


def valid_for(network: Any, seconds: float) -> Member:
    """A home of newtown whose certificate ends so many seconds from now."""
    issuer = authority(network.nodes, "newtown")
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    name = [(NameOID.ORGANIZATIONAL_UNIT_NAME, "client"), (NameOID.COMMON_NAME, "passing")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(*each) for each in name]))
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(issuer.certificate.not_valid_before_utc)
        .not_valid_after(now + datetime.timedelta(seconds=seconds))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(issuer.key, hashes.SHA256())
    )
    return member_with(network.nodes, "newtown", KeyPair(certificate, key))


async def test_an_expired_certificate_is_refused_by_orderer_and_gateway(judged: Any) -> None:
    home = valid_for(judged, -1)
    answer = await refusal(judged, forge(home, both_admins(judged), NAME, "late"))
    assert answer == "broadcast client identity expired"
    if judged.version.startswith("2."):
        return  # in Fabric 2.5 the Gateway asks its own peer past the filter of expired certificates
    async with judged.connect() as operators:
        channel = operators.with_identity(home.identity, home.signer).get_network(CHANNEL)
        contract = channel.get_contract(NAME)
        with pytest.raises(EvaluateError, match="failed to evaluate transaction") as evaluated:
            await contract.evaluate_transaction("run", "[]")
        with pytest.raises(EndorseError, match="failed to endorse transaction") as endorsed:
            await contract.submit_transaction("run", "[]")
        for failure, status in ((evaluated.value, "UNAVAILABLE"), (endorsed.value, "ABORTED")):
            assert failure.status is not None
            assert failure.status.name == status
            assert "proposal client identity expired" in failure.details[0].message
        with pytest.raises(EventsError, match="with status FORBIDDEN"):
            async for _ in channel.block_events():
                pass


async def test_a_certificate_that_ends_after_endorsement_is_refused_at_submit(judged: Any) -> None:
    home = valid_for(judged, 3)
    async with judged.connect() as operators:
        gateway = operators.with_identity(home.identity, home.signer)
        contract = gateway.get_network(CHANNEL).get_contract(NAME)
        wanted = '[["put", "ends", "1"]]'
        proposal = contract.new_proposal("run", arguments=[wanted], endorsing_organizations=["NewtownMSP"])
        transaction = await proposal.endorse()
        while datetime.datetime.now(datetime.UTC) <= home.certificate.not_valid_after_utc:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        words = "from orderer: status=BAD_REQUEST, info=broadcast client identity expired"
        with pytest.raises(SubmitError, match=words):
            await transaction.submit()


def revocation_list(network: Any, leaver: Member) -> bytes:
    issuer = authority(network.nodes, "newtown")
    now = datetime.datetime.now(datetime.UTC)
    entry = x509.RevokedCertificateBuilder().serial_number(leaver.certificate.serial_number)
    key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    return (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(now)
        .next_update(now + datetime.timedelta(days=30))
        .add_revoked_certificate(entry.revocation_date(now).build())
        .add_extension(key_id, critical=False)
        .sign(issuer.key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


async def test_a_revoked_creator_is_refused_from_the_update_on(judged: Any) -> None:
    leaver, admin = enrol(judged.nodes, "newtown", "leaver"), member(judged.nodes, "newtown", "admin")
    admins = both_admins(judged)
    assert await codes_of(judged, [forge(leaver, admins, NAME, "leaver")]) == ["VALID"]
    async with (
        judged.connect() as operators,
        peer_admin(judged.nodes, judged.nodes.gateway_peer("newtown")) as peer,
        orderer_as(judged, admin) as orderer,
    ):
        gateway = operators.with_identity(leaver.identity, leaver.signer)
        contract = gateway.get_network(CHANNEL).get_contract(NAME)
        await contract.evaluate_transaction("run", "[]")
        before = await peer.fetch_config(CHANNEL)
        revoked = revoke_certificates(before, APPLICATION, "NewtownMSP", revocation_list(judged, leaver))
        update = compute_update(before, revoked)
        by = (admin.identity, admin.signer)
        await orderer.broadcast(await assemble_update(update, [await sign_update(update, *by)], *by))
        await wait_for_config(
            lambda: peer.fetch_config(CHANNEL), lambda config: config.sequence > before.sequence
        )
        words = r"error validating proposal: access denied: channel \[trials\] creator org \[NewtownMSP\]"
        with pytest.raises(EvaluateError, match=words):
            await contract.evaluate_transaction("run", "[]")
    assert await refusal(judged, forge(leaver, admins, NAME, "late")) == NO_WRITER
