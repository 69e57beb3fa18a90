# SPDX-License-Identifier: Apache-2.0
"""The market's callers on a running network, and a day's trade among them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from commonwatt_chaincode.contract import Code
from commonwatt_client import Gateway, GatewayError, Identity, connect, private_key_signer
from commonwatt_client.profile import network_file_peers
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ..support.homes import with_ids

ATTRIBUTES = x509.ObjectIdentifier("1.2.3.4.5.6.7.8.1")


@dataclass
class Market:
    """The market's callers by name, one transaction at a time."""

    gateways: dict[str, Gateway]
    network: Any

    async def do(self, who: str, name: str, argument: dict[str, Any]) -> Any:
        await self.network.level("newtown")
        contract = self.gateways[who].get_network("newtown").get_contract("market")
        return json.loads(
            (await contract.submit(name, arguments=[json.dumps(with_ids(argument))], retry=True)).result
        )

    async def outcome(self, who: str, name: str, argument: dict[str, Any]) -> str:
        """The code of a refusal by the contract or by peers; empty if it would be endorsed. Nothing is submitted."""
        contract = self.gateways[who].get_network("newtown").get_contract("market")
        try:
            await contract.new_proposal(name, arguments=[json.dumps(with_ids(argument))]).endorse()
        except GatewayError as error:
            return _code(error)
        return ""

    async def refused(self, who: str, name: str, argument: dict[str, Any]) -> str:
        """The code with which the contract refuses what must be refused."""
        with pytest.raises(GatewayError) as error:
            await self.do(who, name, argument)
        return _code(error.value)


def _code(error: GatewayError) -> str:
    """The contract's code; of the peer's own words where it never reached the contract."""
    texts = [str(error), *(detail.message for detail in error.details)]
    words = {word.rstrip(":") for text in texts for word in text.split()}
    known = ("access denied", "proposal client identity expired")
    peers = next((phrase for phrase in known if any(phrase in text for text in texts)), texts[-1])
    return next((code.value for code in Code if code.value in words), peers)


@asynccontextmanager
async def market_of(network: Any) -> AsyncIterator[Market]:
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
        for name, made_up in (("expired", _expired_operator), ("other community", _foreign_operator)):
            identity, signer = made_up(network)
            peers = network_file_peers(network.path, "newtown")
            gateways[name] = await stack.enter_async_context(connect(peers, identity=identity, signer=signer))
        market = Market(gateways, network)
        for home in ("home001", "home002", "home003"):
            registration = {
                "home": home,
                "home_class": "prosumer" if home == "home003" else "consumer",
            }
            await market.do("operator", "register_home", registration)
        await network.level("newtown")
        yield market


def _expired_operator(network: Any) -> tuple[Identity, Any]:
    """An operator of newtown's own authority whose certificate was good for the authority's first second."""
    folder = network.nodes.layout.organization("newtown") / "ca"
    authority = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
    authority_key: Any = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    begins = authority.not_valid_before_utc
    return _operator("NewtownMSP", authority.subject, authority_key, begins, begins + timedelta(seconds=1))


def _foreign_operator(network: Any) -> tuple[Identity, Any]:
    """The operator of a community of which this channel knows nothing."""
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca.enmore")])
    authority_key = ec.generate_private_key(ec.SECP256R1())
    return _operator("EnmoreMSP", name, authority_key, now - timedelta(days=1), now + timedelta(days=1))


def _operator(
    mspid: str, authority: x509.Name, authority_key: Any, begins: datetime, ends: datetime
) -> tuple[Identity, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = [
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "client"),
        x509.NameAttribute(NameOID.COMMON_NAME, "operator"),
    ]
    attributes = json.dumps({"attrs": {"role": "operator"}}).encode()
    authority_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(authority)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(authority_id, critical=False)
        .add_extension(x509.UnrecognizedExtension(ATTRIBUTES, attributes), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key_pem = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Identity(mspid, certificate.public_bytes(pem)), private_key_signer(key_pem.decode())


async def trade(market: Market) -> None:
    """One need, sold in part by a neighbour, and the day's bills."""
    # Midnight at Greenwich is 11 o'clock here: panels give power, and the hour before lies in one tariff band.
    now = (await market.do("operator", "get_parameters", {}))["market_time"] // 86_400 * 86_400 + 2 * 86_400
    now = max(now, 20_000 * 86_400)  # 2024, so that 1970 is long ago
    await market.do("operator", "advance_clock", {"at": now})
    interval = {"interval_start": now - 3_600, "interval_end": now}
    sun = {"home": "home003", "use_wh": 0, "generation_wh": 3_000}
    await market.do("home003", "report_reading", interval | sun)
    need = {"home": "home001", "use_wh": 900, "generation_wh": 0, "bid": True}
    opened = await market.do("home001", "settle_interval", interval | need)
    offer = {"round": opened["round"], "home": "home003", "energy_wh": 600, "price_uaud_per_kwh": 150_000}
    await market.do("home003", "submit_offer", offer)
    closing = {"round": opened["round"], "at": opened["closes_at"]}
    award = await market.do("operator", "close_round", closing)
    assert award["fills"][0]["amount_naud"] == 90_000_000
    assert await market.refused("home003", "submit_offer", offer) == "round_closed"
    await market.do("operator", "advance_clock", {"at": now + 2 * 86_400})
    await market.do("operator", "settle_day", {"day": (now - 60 + 660 * 60) // 86_400})
