# SPDX-License-Identifier: Apache-2.0
"""Two organisations live on, with real Fabric: certificates, users, nodes and the contract change while both trade."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from commonwatt_network.consortium.bundle import read_bundle
from commonwatt_network.consortium.renewal import due, holders
from commonwatt_network.trust.revocations import serials_of
from cryptography import x509

from tests.support.fabric import require_backend
from tests.support.organisations import Member, found, members, wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Member]]:
    require_backend("native")
    with members(tmp_path_factory.mktemp("day-two"), ("newtown", "grid")) as everyone:
        for member in everyone.values():
            member.describe("localhost")
        everyone["newtown"].description["users"]["house12"] = {
            "role": "home",
            "attributes": {"home.id": "k3vq7m2xwa"},
        }
        found(everyone, "all")
        everyone["newtown"].submit("register_home", {"home": "k3vq7m2xwa", "home_class": "consumer"})
        yield everyone


def serials(member: Member) -> dict[str, int]:
    """Whose certificate has which number: enrolment certificates and TLS's."""
    found = {}
    for holder in holders(member.host):
        for pair in (*holder.enrolment, *holder.tls):
            certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
            found[str(pair.certificate)] = certificate.serial_number
    return found


def agree(both: dict[str, Member], name: str) -> str:
    """The organisation passes on its bundle, and all members agree to it; what the last one said."""
    both[name].run("org", "export", str(both[name].exchange))
    words = ("consortium", "agree", name, "--exchange", str(both[name].exchange))
    return [member.run(*words) for member in both.values()][-1]


def all_trade(both: dict[str, Member]) -> None:
    """Every organisation's client is heard, and each transaction has the endorsement of both."""
    for member in both.values():
        member.trades()


def test_every_certificate_is_renewed_and_both_trade_on(both: dict[str, Member]) -> None:
    newtown = both["newtown"]
    before = serials(newtown)
    assert due(newtown.host) == []
    assert "no certificate expires soon" in newtown.run("org", "renew")
    said = newtown.run("org", "renew", "--before-days", "365")
    assert "orderer0.newtown: renewed for 36" in said
    assert "in force" in said  # the chaincode's package holds a certificate: it is approved anew
    after = serials(newtown)
    assert before.keys() == after.keys()
    assert not {*before.values()} & {*after.values()}
    # What was issued is written down: a revocation would name the former certificates too.
    assert len(serials_of(newtown.host.layout, "newtown", "house12")) == 2
    all_trade(both)
    # The channel learns the orderer's certificate, which has the key that it knew.
    assert "certificate" in agree(both, "newtown")
    assert "nothing to sign" in agree(both, "newtown")
    all_trade(both)


def test_a_revoked_home_is_heard_by_nobody(both: dict[str, Member]) -> None:
    newtown = both["newtown"]
    as_home = ("org", "evaluate", "newtown", "get_home", '{"home": "k3vq7m2xwa"}', "--user", "house12")
    assert "k3vq7m2xwa" in newtown.run(*as_home)
    assert "no user house99" in newtown.run("org", "revoke", "house99", code=2)
    assert "speaks for newtown" in newtown.run("org", "revoke", "admin", code=2)
    assert "house12 of NewtownMSP is revoked" in newtown.run("org", "revoke", "house12")
    newtown.run("org", "revoke", "house12")  # again: nothing more
    with pytest.raises(AssertionError, match="newtown"):
        newtown.run(*as_home)
    all_trade(both)


def test_an_orderer_and_a_peer_come_move_and_go(both: dict[str, Member]) -> None:
    newtown, grid = both["newtown"], both["grid"]
    file = newtown.folder / "organization.yaml"
    one = dict(newtown.description)

    newtown.description = one | {
        "orderers": [*one["orderers"], newtown.orderer("localhost", 1)],
        "peers": [*one["peers"], newtown.peer("localhost", 1)],
    }
    assert "by `commonwatt org change`" in newtown.run_init(code=2)
    assert "orderer1.newtown comes" in newtown.run("org", "change", str(file))
    newtown.run("org", "start")
    newtown.run("org", "announce")
    agree(both, "newtown")
    block = str(newtown.exchange / "newtown.newtown.block")
    newtown.run("org", "join", str(newtown.exchange / "newtown.block"), "--newest", block)
    newtown.run("org", "install")
    status = newtown.run("org", "status")
    assert "orderer1.newtown running" in status
    assert "waiting for the orderer" not in status
    heights = [line for line in status.splitlines() if "peer1.newtown" in line and "blocks" in line]
    assert heights
    all_trade(both)

    # The same orderer at another port: the members agree, and it keeps its place.
    moved = newtown.orderer("127.0.0.1", 1) | {"port": newtown.port("orderer", 2)}
    newtown.description["orderers"] = [one["orderers"][0], moved]
    newtown.write()
    assert "orderer1.newtown moves" in newtown.run("org", "change", str(file))
    assert "orders until the members" in newtown.run("org", "announce")
    assert f"is at 127.0.0.1:{moved['port']}" in agree(both, "newtown")
    newtown.run("org", "announce")
    wait_until(lambda: "waiting for the orderer" not in grid.run("org", "status"))
    all_trade(both)

    newtown.description = one
    newtown.write()
    assert "orderer1.newtown goes" in newtown.run("org", "change", str(file))
    assert "ended" not in newtown.run("org", "announce")
    assert "takes out the orderer" in agree(both, "newtown")
    assert "ended orderer1.newtown, peer1.newtown" in newtown.run("org", "announce")
    assert read_bundle(newtown.bundle).addresses == [
        f"localhost:{newtown.port('orderer')}",
        f"localhost:{newtown.port('peer')}",
    ]
    all_trade(both)


def test_the_contract_is_upgraded_by_consent(both: dict[str, Member]) -> None:
    for member in both.values():
        member.description["chaincode"]["version"] = "1.1"
        member.init()
    newtown, grid = both.values()
    assert "former version serves" in newtown.run("org", "upgrade", "--wait", "10", code=1)
    all_trade(both)  # by the former one
    assert "chaincode 1.1 serves" in grid.run("org", "upgrade", "--wait", "60")
    assert "chaincode 1.1 serves" in newtown.run("org", "upgrade")
    assert "served already" in newtown.run("org", "upgrade")
    for member in both.values():
        assert "chaincode 1.1 is in force" in member.run("org", "status")
    all_trade(both)
