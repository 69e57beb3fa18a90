# SPDX-License-Identifier: Apache-2.0
"""A running channel takes in one more organisation: what the update holds, who must sign, and what nobody signs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commonwatt_client.admin import (
    BatchSize,
    ChannelConfig,
    compute_update,
    remove_consenter,
    remove_organization,
    set_batch,
    sign_update,
)
from commonwatt_client.identity import Identity, load_identity
from commonwatt_client.signers import Signer, private_key_signer
from commonwatt_network.channels import policies
from commonwatt_network.channels.readers import readers_of
from commonwatt_network.consortium.bundle import Bundle, BundleError, own_bundle
from commonwatt_network.consortium.genesis import consortium_block
from commonwatt_network.consortium.host import OwnHost, init_host
from commonwatt_network.consortium.organization import OrganizationDescription
from commonwatt_network.consortium.review import review_block
from commonwatt_network.consortium.update import (
    UpdateError,
    channel_of,
    in_force,
    read_signatures,
    refuse_too_few,
    review_update,
    signed_envelope,
    taking_in,
)
from fabric_protos.common import configtx_pb2

MEMBERS = ("newtown", "glebe", "grid")


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, OwnHost]:
    folder = tmp_path_factory.mktemp("hosts")
    return {name: _host(folder, name) for name in (*MEMBERS, "ferry")}


@pytest.fixture(scope="module")
def config(hosts: dict[str, OwnHost]) -> ChannelConfig:
    bundles = [own_bundle(hosts[name]) for name in MEMBERS]
    return review_block(consortium_block("newtown", bundles, "majority")).config


@pytest.fixture(scope="module")
def ferry(hosts: dict[str, OwnHost]) -> Bundle:
    return own_bundle(hosts["ferry"])


@pytest.fixture(scope="module")
def update(config: ChannelConfig, ferry: Bundle) -> bytes:
    return taking_in(config, ferry)


def test_an_update_is_told_in_words(config: ChannelConfig, update: bytes, ferry: Bundle) -> None:
    assert update == taking_in(config, ferry)  # the same bytes for everybody
    assert channel_of(update) == "newtown"
    review = review_update(config, update)
    assert review.mistakes == ()
    assert review.words[0].startswith(
        "takes in FerryMSP: orderers orderer.ferry.example:7050; peers met first at"
    )
    assert review.words[1:] == (
        "takes in the orderer orderer.ferry.example:7050, of 4 then",
        "2 of 3 members have to sign: GlebeMSP, GridMSP, NewtownMSP",
        "2 of 3 organisations that order have to sign: GlebeMSP, GridMSP, NewtownMSP",
    )
    assert not in_force(config, update)
    assert in_force(review.desired, update)


@pytest.mark.parametrize("readers", ["operators", "members"])
def test_who_comes_reads_as_the_others_do(hosts: dict[str, OwnHost], ferry: Bundle, readers: Any) -> None:
    bundles = [own_bundle(hosts[name]) for name in MEMBERS]
    config = review_block(consortium_block("newtown", bundles, "majority", readers=readers)).config
    review = review_update(config, taking_in(config, ferry))
    assert review.mistakes == ()
    assert readers_of(review.desired) == readers


def test_nobody_signs_for_a_newcomer_with_wider_readers(config: ChannelConfig, update: bytes) -> None:
    message = configtx_pb2.ConfigUpdate.FromString(update)
    ferry = message.write_set.groups["Application"].groups["FerryMSP"]
    ferry.policies["Readers"].CopyFrom(policies.signed_by_role("FerryMSP", "MEMBER"))
    mistakes = review_update(config, message.SerializeToString()).mistakes
    assert any(
        "FerryMSP's policy /Channel/Application/FerryMSP/Readers lets others" in each for each in mistakes
    )


async def test_enough_signatures_are_an_update_that_orderers_take(
    config: ChannelConfig, update: bytes, hosts: dict[str, OwnHost]
) -> None:
    signatures = [await sign_update(update, *_administrator(hosts[name])) for name in ("newtown", "grid")]
    review = review_update(config, update)
    refuse_too_few(review, update, signatures)
    assert await signed_envelope(review, update, signatures, *_administrator(hosts["newtown"]))


async def test_too_few_signatures_say_who_is_missing(
    config: ChannelConfig, update: bytes, hosts: dict[str, OwnHost]
) -> None:
    review = review_update(config, update)
    with pytest.raises(UpdateError, match="signed by nobody; 2 of 3 organisations are needed"):
        refuse_too_few(review, update, [])
    one = await sign_update(update, *_administrator(hosts["newtown"]))
    with pytest.raises(UpdateError, match=r"signed by NewtownMSP; 2 of 3 .* waiting for GlebeMSP or GridMSP"):
        refuse_too_few(review, update, [one])
    with pytest.raises(UpdateError, match=r"would be refused: .*requires 2 of the 'Admins' sub-policies"):
        await signed_envelope(review, update, [one], *_administrator(hosts["newtown"]))


async def test_signatures_that_do_not_count_are_named(
    config: ChannelConfig, update: bytes, hosts: dict[str, OwnHost]
) -> None:
    review = review_update(config, update)
    other = compute_update(config, set_batch(config, timeout_s=1))
    stranger = await sign_update(update, *_administrator(hosts["ferry"]))
    operator = await sign_update(update, *_administrator(hosts["glebe"], "operator"))
    elsewhere = await sign_update(other, *_administrator(hosts["glebe"]))
    for signature, mspid in ((stranger, "FerryMSP"), (operator, "GlebeMSP"), (elsewhere, "GlebeMSP")):
        with pytest.raises(UpdateError, match=f"the signature of {mspid} does not count"):
            refuse_too_few(review, update, [signature])


def test_signatures_lie_beside_the_update(tmp_path: Path) -> None:
    path = tmp_path / "ferry.update"
    assert read_signatures(path) == {}
    (tmp_path / "ferry.update.GridMSP").write_bytes(b"junk")
    with pytest.raises(UpdateError, match=r"ferry\.update\.GridMSP is no signature"):
        read_signatures(path)


def test_what_a_member_has_no_newcomer_gets(
    config: ChannelConfig, ferry: Bundle, hosts: dict[str, OwnHost]
) -> None:
    glebe = own_bundle(hosts["glebe"])
    with pytest.raises(UpdateError, match="GlebeMSP is on channel newtown already"):
        taking_in(config, glebe)
    with pytest.raises(UpdateError, match=r"both claim the address peer.glebe.example:7051"):
        taking_in(config, ferry.model_copy(update={"peers": glebe.peers}))
    with pytest.raises(UpdateError, match="both claim an authority"):
        taking_in(config, ferry.model_copy(update={"tls_authority": glebe.tls_authority}))
    two = [ferry.orderers[0], ferry.orderers[0].model_copy(update={"port": 8050})]
    with pytest.raises(BundleError, match="one at a time"):
        taking_in(config, ferry.model_copy(update={"orderers": two}))


def test_a_foreign_certificate_is_not_taken_in(
    config: ChannelConfig, ferry: Bundle, hosts: dict[str, OwnHost]
) -> None:
    stolen = own_bundle(hosts["glebe"]).orderers[0].tls_certificate
    orderer = ferry.orderers[0].model_copy(update={"tls_certificate": stolen})
    update = taking_in(config, ferry.model_copy(update={"orderers": [orderer]}))
    assert review_update(config, update).mistakes == (
        "the TLS certificate of consenter orderer.ferry.example:7050 is foreign: FerryMSP did not issue it",
    )


def test_nothing_else_hides_in_an_update(config: ChannelConfig, update: bytes) -> None:
    wanted = review_update(config, update).desired
    cases = {
        "/groups/Orderer/values/BatchTimeout": set_batch(wanted, timeout_s=9),
        "/groups/Orderer/values/BatchSize": set_batch(wanted, size=BatchSize(1, 1 << 20, 1 << 20)),
        "the orderer orderer.glebe.example:7050 would go": remove_consenter(
            wanted, "orderer.glebe.example:7050"
        ),
        "channel newtown would be orphaned by GlebeMSP": _without(wanted, "GlebeMSP"),
        "GridMSP's Admins policy": _seized(wanted, "GridMSP", "FerryMSP"),
    }
    for expected, desired in cases.items():
        hidden = compute_update(config, desired)
        assert any(expected in mistake for mistake in review_update(config, hidden).mistakes), expected


def test_an_update_of_another_configuration_is_refused(config: ChannelConfig, update: bytes) -> None:
    later = review_update(config, update).desired
    with pytest.raises(UpdateError, match="made for another configuration .*; propose it anew"):
        review_update(later, update)
    with pytest.raises(UpdateError, match="no update of channel other"):
        review_update(replace(config, channel="other"), update)


@pytest.mark.parametrize("content", [b"", b"junk", b"\x0a\x00", b"\xff" * 40])
def test_junk_is_no_update(content: bytes, config: ChannelConfig) -> None:
    assert channel_of(content) is None
    with pytest.raises(UpdateError, match="no update"):
        review_update(config, content)


def test_a_block_is_no_update(hosts: dict[str, OwnHost]) -> None:
    assert channel_of(consortium_block("newtown", [own_bundle(hosts["grid"])])) is None


def _host(folder: Path, name: str) -> OwnHost:
    description = {
        "name": name,
        "orderers": [{"host": f"orderer.{name}.example"}],
        "peers": [{"host": f"peer.{name}.example"}],
        "users": {"operator": {"role": "operator"}},
    }
    return init_host(OrganizationDescription.model_validate(description), folder / name)


def _administrator(host: OwnHost, user: str = "admin") -> tuple[Identity, Signer]:
    folder = host.layout.user(host.name, user)
    return load_identity(host.mspid, folder / "certificate.pem"), private_key_signer(
        folder / "private_key.pem"
    )


def _without(config: ChannelConfig, mspid: str) -> ChannelConfig:
    config = remove_consenter(config, f"orderer.{mspid.removesuffix('MSP').lower()}.example:7050")
    return remove_organization(remove_organization(config, "Orderer", mspid), "Application", mspid)


def _seized(config: ChannelConfig, mspid: str, by: str) -> ChannelConfig:
    """With `mspid`'s administrators replaced by those of `by`."""
    root = config.edited_group()
    organizations = root.groups["Application"].groups
    organizations[mspid].policies["Admins"].policy.CopyFrom(organizations[by].policies["Admins"].policy)
    return replace(config, group=root.SerializeToString())
