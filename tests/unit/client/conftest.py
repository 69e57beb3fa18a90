# SPDX-License-Identifier: Apache-2.0
"""An identity of each kind of key, a recorded ledger, and flows run against a script instead of a network."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from commonwatt_client import Identity, Peer, Timeouts, private_key_signer
from commonwatt_client._connection import PeerRing
from commonwatt_client._effects import Call, Effect, Emit, Flow, Sign, Sleep
from commonwatt_client._transactions import Party
from commonwatt_client.ledger import Block, ChannelConfig, decode_block, read_channel_config
from commonwatt_client.signers import PrivateKeySigner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from .gateway.stand_in import StandIn, stand_in

KEY_KINDS: dict[str, Callable[[], Any]] = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


@dataclass(frozen=True)
class Keyed:
    """A self-signed identity, its signer, and what both were made from."""

    identity: Identity
    signer: PrivateKeySigner
    key_pem: bytes
    public_key: Any


def new_keyed(kind: str = "P-256", mspid: str = "NewtownMSP") -> Keyed:
    key = KEY_KINDS[kind]()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "home001")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, None if kind == "Ed25519" else hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Keyed(Identity(mspid, pem), private_key_signer(key_pem), key_pem, key.public_key())


@pytest.fixture(scope="session")
def keyed() -> Keyed:
    return new_keyed()


@pytest.fixture
def party(keyed: Keyed) -> Party:
    """A party with two peers, `first` and `second`."""
    peers = [
        Peer("127.0.0.1:1", plaintext=True, name="first"),
        Peer("127.0.0.1:2", plaintext=True, name="second"),
    ]
    return Party(keyed.identity, keyed.signer, PeerRing(peers), Timeouts())


@dataclass
class Ran:
    """What a scripted flow did: its result, the values it emitted, its calls and its pauses."""

    result: Any
    emitted: list[Any]
    effects: list[Effect]

    @property
    def methods(self) -> list[str]:
        return [effect.method.rpartition("/")[2] for effect in self.effects if isinstance(effect, Call)]

    @property
    def pauses_s(self) -> list[float]:
        return [effect.seconds for effect in self.effects if isinstance(effect, Sleep)]


def run_scripted(flow: Flow[Any], answer: Callable[[Effect], Any], ran: Ran | None = None) -> Ran:
    """Run a flow whose effects `answer` performs: it returns a result, or returns or raises an exception.

    What a flow did before it raised is in the `ran` given.
    """
    ran = ran or Ran(None, [], [])
    try:
        effect = next(flow)
        while True:
            ran.effects.append(effect)
            assert len(ran.effects) < 500, "the flow goes on for ever"
            try:
                reply = _perform(effect, answer, ran)
            except Exception as failure:
                effect = flow.throw(failure)
            else:
                effect = flow.send(reply)
    except StopIteration as done:
        ran.result = done.value
    return ran


def _perform(effect: Effect, answer: Callable[[Effect], Any], ran: Ran) -> Any:
    if isinstance(effect, Sign):
        return effect.signer.sign(effect.digest)
    if isinstance(effect, Sleep):
        return None
    if isinstance(effect, Emit):
        ran.emitted.append(effect.value)
        return None
    reply = answer(effect)
    if isinstance(reply, Exception):
        raise reply
    return reply


@pytest.fixture(scope="session")
def ledger() -> list[Block]:
    """Blocks 0 to 4 as a peer of Fabric 3.1.5 gave them: genesis, two approvals, a commit, a configuration update."""
    folder = Path(__file__).parent / "ledger" / "recorded"
    return [decode_block((folder / f"{number}.block").read_bytes()) for number in range(5)]


@pytest.fixture(scope="session")
def genesis_config(ledger: list[Block]) -> ChannelConfig:
    """The configuration of block 0: NewtownMSP and GridMSP, three Raft consenters of OrdererMSP."""
    return read_channel_config(ledger[0])


@pytest.fixture
def peer() -> Iterator[StandIn]:
    """A gateway peer that answers as told."""
    with stand_in() as running:
        yield running
