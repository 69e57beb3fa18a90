"""The market on a running network: who may do what, and an audit of what its channel holds."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from commonwatt_client import Gateway, GatewayError, Identity, connect, private_key_signer
from commonwatt_client.admin import decode_block
from commonwatt_client.profile import network_file_peers
from commonwatt_loadgen.verify.audit import Audit, FirstDifference
from commonwatt_loadgen.verify.parallel import ParallelAudit
from commonwatt_loadgen.verify.source import blocks_of_network
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fabric_protos.common import common_pb2

ATTRIBUTES = x509.ObjectIdentifier("1.2.3.4.5.6.7.8.1")
SALT = "00" * 8


@dataclass
class Market:
    """The market's callers by name, one transaction at a time."""

    gateways: dict[str, Gateway]

    async def do(self, who: str, name: str, argument: dict[str, Any]) -> Any:
        contract = self.gateways[who].get_network("newtown").get_contract("market")
        return json.loads(await contract.submit_transaction(name, json.dumps(argument)))

    async def refused(self, who: str, name: str, argument: dict[str, Any]) -> str:
        """The code of a refusal; of the peer's own words where it never reached the contract."""
        with pytest.raises(GatewayError) as error:
            await self.do(who, name, argument)
        texts = [str(error.value), *(detail.message for detail in error.value.details)]
        words = {word.rstrip(":") for text in texts for word in text.split()}
        known = ("forbidden", "not_your_meter", "bad_argument", "round_closed")
        return next((code for code in known if code in words), "access denied")


@pytest.fixture
async def market(network: Any) -> AsyncIterator[Market]:
    """Two consumers and a prosumer registered, and callers of every kind connected."""
    async with AsyncExitStack() as stack:
        gateways = {}
        for name, (organization, user) in {
            "operator": ("newtown", "operator"),
            "grid": ("grid", "operator"),
            "home001": ("newtown", "home001"),
            "home002": ("newtown", "home002"),
            "home003": ("newtown", "home003"),
            "meter": ("newtown", "meter"),
            "stranger": ("newtown", "stranger"),
        }.items():
            gateways[name] = await stack.enter_async_context(network.connect(organization, user))
        for name, valid_days, own_authority in (("expired", -1, True), ("other community", 30, False)):
            identity, signer = _made_up_operator(network, valid_days, own_authority)
            peers = network_file_peers(network.path, "newtown")
            gateways[name] = await stack.enter_async_context(connect(peers, identity=identity, signer=signer))
        market = Market(gateways)
        described = json.loads(network.path.read_text())["organizations"]["newtown"]["users"]
        for home in ("home001", "home002", "home003"):
            meter_id = described[home]["attributes"]["meter.id"]
            registration = {
                "home": home,
                "home_class": "prosumer" if home == "home003" else "consumer",
                "meter_salt": SALT,
                "meter_hash": sha256(bytes.fromhex(SALT) + meter_id.encode()).hexdigest(),
            }
            await market.do("operator", "register_home", registration)
        yield market


def _made_up_operator(network: Any, valid_days: int, own_authority: bool) -> tuple[Identity, Any]:
    """An operator's certificate of newtown's authority or of one that the channel does not know."""
    folder = network.nodes.layout.organization("newtown") / "ca"
    authority = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
    authority_key: Any = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    if not own_authority:
        authority_key = ec.generate_private_key(ec.SECP256R1())
    key = ec.generate_private_key(ec.SECP256R1())
    end = datetime.now(UTC) + timedelta(days=valid_days)
    subject = [
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "client"),
        x509.NameAttribute(NameOID.COMMON_NAME, "operator"),
    ]
    attributes = json.dumps({"attrs": {"role": "operator"}}).encode()
    authority_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=60))
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(authority_id, critical=False)
        .add_extension(x509.UnrecognizedExtension(ATTRIBUTES, attributes), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key_pem = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    mspid = "NewtownMSP" if own_authority else "EnmoreMSP"
    return Identity(mspid, certificate.public_bytes(pem)), private_key_signer(key_pem.decode())


READING = {"home": "home001", "interval_start": 0, "interval_end": 60, "use_wh": 1, "generation_wh": 0}
OFFER = {"round": 1, "home": "home001", "energy_wh": 1, "price_uaud_per_kwh": 150_000}
REQUEST = {"home": "home001", "energy_wh": 1, "interval_start": 0, "bid": False}
BID = {"round": 1, "home": "home001"}

FORBIDDEN = {
    "configure": {"parameters": {"beta": 20_000}},
    "register_home": {"home": "h9", "home_class": "consumer", "meter_salt": SALT, "meter_hash": "0" * 64},
    "advance_clock": {"at": 9_999_999_999},
    "open_round": {},
    "settle_day": {"day": 1},
}


@pytest.mark.parametrize(
    ("who", "code"),
    [
        ("grid", "forbidden"),
        ("home001", "forbidden"),
        ("home002", "forbidden"),
        ("meter", "forbidden"),
        ("stranger", "forbidden"),
        ("expired", "access denied"),
        ("other community", "access denied"),
    ],
)
async def test_nobody_else_does_the_operators_work(market: Market, who: str, code: str) -> None:
    for name, argument in FORBIDDEN.items():
        assert await market.refused(who, name, argument) == code, name


@pytest.mark.parametrize(
    ("who", "code"),
    [
        ("operator", "forbidden"),
        ("grid", "forbidden"),
        ("home002", "not_your_meter"),
        ("meter", "forbidden"),
        ("stranger", "forbidden"),
        ("expired", "access denied"),
        ("other community", "access denied"),
    ],
)
async def test_nobody_else_speaks_for_a_home(market: Market, who: str, code: str) -> None:
    for name, argument in {
        "submit_request": REQUEST,
        "submit_offer": OFFER,
        "cancel_request": BID,
        "withdraw_offer": BID,
    }.items():
        assert await market.refused(who, name, argument) == code, name
    if who != "meter":
        assert await market.refused(who, "report_reading", READING) == code


async def test_a_channel_is_audited_and_tampering_is_found(network: Any, market: Market) -> None:
    await _trade(market)
    blocks = [block async for block in blocks_of_network(network.path, "newtown", "newtown", "operator")]
    audit = Audit()
    for block in blocks:
        audit.check(block)
    assert audit.findings.functions["close_round"] >= 1
    assert audit.findings.functions["settle_day"] >= 1

    closing = next(b for b in reversed(blocks) if b'"state":"CLEARED"' in b.serialized)
    award = closing.serialized.replace(b'"amount_naud":90000000', b'"amount_naud":90000001')
    assert award != closing.serialized
    signed = closing.number
    for what, number, content, words in (
        ("an award", signed, award, "its data are not those its header was made for"),
        ("an award with its hash", signed, _rehashed(award), "no orderer of the channel signed it"),
        ("a block left out", signed, blocks[signed + 1].serialized, "it follows block"),
        (
            "a verdict",
            signed,
            _condemned(closing.serialized),
            "recorded as MVCC_READ_CONFLICT, by the rules VALID",
        ),
    ):
        audit = Audit()
        for block in blocks[:number]:
            audit.check(block)
        with pytest.raises(FirstDifference) as error:
            audit.check(decode_block(content))
        assert words in str(error.value), what


async def test_an_audit_on_all_processors_finds_the_same(
    network: Any, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commonwatt_loadgen.verify.parallel.CHUNK", 4)
    await _trade(market)
    blocks = [block async for block in blocks_of_network(network.path, "newtown", "newtown", "operator")]
    with ParallelAudit(Audit()) as parallel:
        for block in blocks:
            parallel.check(block)
    number = next(b.number for b in blocks if b"submit_offer" in b.serialized)
    forged = decode_block(_rehashed(blocks[number].serialized.replace(b"submit_offer", b"submit_loser")))
    with (
        pytest.raises(FirstDifference, match=f"block {number}: no orderer of the channel signed it"),
        ParallelAudit(Audit()) as parallel,
    ):
        for block in [*blocks[:number], forged]:
            parallel.check(block)


async def _trade(market: Market) -> None:
    """One request, sold in part by a neighbour, and the day's bills."""
    now = (await market.do("operator", "get_parameters", {}))["market_time"] // 86_400 * 86_400 + 2 * 86_400
    await market.do("operator", "advance_clock", {"at": now})
    interval = {"interval_start": now - 3_600, "interval_end": now, "use_wh": 0, "generation_wh": 3_000}
    account = await market.do("home003", "get_battery", {"home": "home003"})
    if account["metered_until"]:
        interval["interval_start"] = account["metered_until"]
        interval["interval_end"] = account["metered_until"] + 3_600
    await market.do("home003", "report_reading", {"home": "home003", **interval})
    opened = await market.do("operator", "open_round", {"at": now})
    number = opened["round"]
    request = {"round": number, "home": "home001", "energy_wh": 900, "interval_start": now - 60}
    await market.do("home001", "submit_request", request)
    offer = {"round": number, "home": "home003", "energy_wh": 600, "price_uaud_per_kwh": 150_000}
    await market.do("home003", "submit_offer", offer)
    award = await market.do("operator", "close_round", {"round": number, "at": opened["closes_at"]})
    assert award["fills"][0]["amount_naud"] == 90_000_000
    assert await market.refused("home003", "submit_offer", offer) == "round_closed"
    await market.do("operator", "advance_clock", {"at": now + 2 * 86_400})
    await market.do("operator", "settle_day", {"day": (now - 60 + 660 * 60) // 86_400})


def _rehashed(content: bytes) -> bytes:
    block = common_pb2.Block.FromString(content)
    block.header.data_hash = sha256(b"".join(block.data.data)).digest()
    return bytes(block.SerializeToString())


def _condemned(content: bytes) -> bytes:
    """The block with all its transactions declared invalid for a read conflict."""
    block = common_pb2.Block.FromString(content)
    block.metadata.metadata[2] = bytes([11]) * len(block.data.data)
    return bytes(block.SerializeToString())
