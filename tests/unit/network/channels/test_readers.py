# SPDX-License-Identifier: Apache-2.0
"""Who reads a channel by its configuration: what lets others in is found, however it is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from commonwatt_client.admin import ChannelConfig, NotFoundError
from commonwatt_client.ledger.readers import READING, openings
from commonwatt_network.channels import groups, policies
from commonwatt_network.channels.readers import (
    OpenChannelError,
    ReadersError,
    open_channel_warning,
    readers_mistakes,
    readers_of,
    readers_policy,
    with_authorities,
    with_readers,
)
from commonwatt_network.model.topology_parts import Batch
from commonwatt_network.trust.certificates import create_authority, issue_tls
from fabric_protos.common import policies_pb2
from fabric_protos.msp import identities_pb2, msp_config_pb2, msp_principal_pb2
from fabric_protos.peer import configuration_pb2 as peer_pb2

ROOTS = {mspid: create_authority(f"ca.{mspid}", mspid) for mspid in ("NewtownMSP", "GridMSP", "OrdererMSP")}
TLS = create_authority("tlsca", "orderers")
CONSENTER = groups.raft_consenter(
    "localhost", 7050, issue_tls(TLS, "orderer0", ["localhost"], 1).certificate_pem
)
OWN = "/Channel/Application/NewtownMSP/Readers"


def channel(readers: Any) -> ChannelConfig:
    """Newtown's and grid's channel, which one organisation orders."""
    msps = {
        mspid: groups.msp_value(mspid, pair.certificate_pem, TLS.certificate_pem)
        for mspid, pair in ROOTS.items()
    }
    members = {
        mspid: groups.member_group(mspid, msps[mspid], [], readers) for mspid in ("NewtownMSP", "GridMSP")
    }
    orderers = groups.orderer_organization_group(
        "OrdererMSP", msps["OrdererMSP"], ["localhost:7050"], readers
    )
    root = groups.channel_group(
        groups.raft_group([CONSENTER], Batch(), {"OrdererMSP": orderers}),
        groups.application_group(members, "all", readers),
        "V2_0",
    )
    return ChannelConfig("newtown", 0, root.SerializeToString())


def changed(config: ChannelConfig, edit: Callable[[Any], object]) -> ChannelConfig:
    root = config.edited_group()
    edit(root)
    return ChannelConfig(config.channel, config.sequence, root.SerializeToString())


def readers_as(policy: Any, section: str = "Application", name: str = "NewtownMSP") -> Callable[[Any], None]:
    """The edit that gives an organisation this Readers policy."""

    def edit(root: Any) -> None:
        root.groups[section].groups[name].policies["Readers"].policy.CopyFrom(policy.policy)

    return edit


def of(kind: str, message: Any) -> Any:
    classification = getattr(msp_principal_pb2.MSPPrincipal, kind)
    return msp_principal_pb2.MSPPrincipal(
        principal_classification=classification, principal=message.SerializeToString()
    )


def asking(count: int) -> Any:
    return policies.signed_by(count, [policies.role_principal("NewtownMSP", "ADMIN")])


def unreadable() -> Any:
    policy = policies.signed_by_role("NewtownMSP", "ADMIN")
    policy.policy.value = b"\xff\xff\xff"
    return policy


HOME = identities_pb2.SerializedIdentity(mspid="NewtownMSP", id_bytes=b"a home's certificate")
UNIT = msp_principal_pb2.OrganizationUnit(
    msp_identifier="NewtownMSP", organizational_unit_identifier="client", certifiers_identifier=b"x" * 32
)
WIDE = {
    "members": policies.signed_by_role("NewtownMSP", "MEMBER"),
    "clients": policies.signed_by_role("NewtownMSP", "CLIENT"),
    "another's members": policies.signed_by_role("GridMSP", "MEMBER"),
    "one home": policies.signed_by(1, [of("IDENTITY", HOME)]),
    "the unit of clients": policies.signed_by(1, [of("ORGANIZATION_UNIT", UNIT)]),
    "no signature at all": asking(0),
    "a negative number": asking(-1),
    "none of no groups": policies.implicit("ANY", "Writers"),
    "admins or members": policies.signed_by(
        1, [policies.role_principal("NewtownMSP", role) for role in ("ADMIN", "MEMBER")]
    ),
    "bytes that cannot be read": unreadable(),
}


def test_operators_channels_have_no_opening_and_members_have_one_of_each_organisation() -> None:
    assert openings(channel("operators")) == ()
    found = openings(channel("members"))
    assert {each.mspid for each in found} == set(ROOTS)
    assert {each.path for each in found} == {
        OWN, "/Channel/Application/GridMSP/Readers", "/Channel/Orderer/OrdererMSP/Readers",
    }  # fmt: skip
    assert readers_of(channel("operators")) == "operators"
    assert readers_of(channel("members")) == "members"


@pytest.mark.parametrize("name", WIDE)
def test_a_wider_policy_of_an_organisation_is_found(name: str) -> None:
    config = changed(channel("operators"), readers_as(WIDE[name]))
    [found] = openings(config)
    assert (found.path, found.mspid) == (OWN, "NewtownMSP")
    assert str(found) in list(readers_mistakes(config))
    assert readers_of(config) is None


def test_the_orderers_own_policy_is_looked_at_too() -> None:
    """An orderer answers Deliver by /Channel/Readers, which the orderers' organisations satisfy as members do."""
    wide = policies.signed_by_role("OrdererMSP", "MEMBER")
    [found] = openings(changed(channel("operators"), readers_as(wide, "Orderer", "OrdererMSP")))
    assert found.mspid == "OrdererMSP"


@pytest.mark.parametrize("resource", READING)
def test_an_acl_that_others_satisfy_is_found(resource: str) -> None:
    def to_writers(root: Any) -> None:
        value = root.groups["Application"].values["ACLs"]
        acls = peer_pb2.ACLs.FromString(value.value)
        acls.acls[resource].policy_ref = "Writers"  # of Application, as Fabric reads it
        value.value = acls.SerializeToString()

    [found] = openings(changed(channel("operators"), to_writers))
    assert found.path == resource
    assert "/Channel/Application/Writers" in found.words


def test_a_narrower_acl_is_no_opening() -> None:
    def to_admins(root: Any) -> None:
        value = root.groups["Application"].values["ACLs"]
        acls = peer_pb2.ACLs.FromString(value.value)
        acls.acls["event/Block"].policy_ref = "/Channel/Application/Admins"
        value.value = acls.SerializeToString()

    assert openings(changed(channel("operators"), to_admins)) == ()


def test_the_channels_own_readers_policy_is_looked_at() -> None:
    def edit(root: Any) -> None:
        root.policies["Readers"].policy.CopyFrom(policies.implicit("ANY", "Writers").policy)

    assert {each.path for each in openings(changed(channel("operators"), edit))} == {
        "/Channel/Application/NewtownMSP/Writers",
        "/Channel/Application/GridMSP/Writers",
        "/Channel/Orderer/OrdererMSP/Writers",
    }


def test_a_role_that_clients_have_is_found() -> None:
    """An administrator who calls the unit `client` administrators has made each home one."""

    def edit(root: Any) -> None:
        value = root.groups["Application"].groups["NewtownMSP"].values["MSP"]
        outer = msp_config_pb2.MSPConfig.FromString(value.value)
        msp = msp_config_pb2.FabricMSPConfig.FromString(outer.config)
        msp.fabric_node_ous.admin_ou_identifier.organizational_unit_identifier = "client"
        outer.config = msp.SerializeToString()
        value.value = outer.SerializeToString()

    [found] = openings(changed(channel("operators"), edit))
    assert found.path.endswith("NewtownMSP/MSP")


def test_the_acls_must_let_homes_hear_of_their_commits() -> None:
    def edit(root: Any) -> None:
        del root.groups["Application"].values["ACLs"]

    mistakes = list(readers_mistakes(changed(channel("operators"), edit)))
    assert [mistake.split()[3] for mistake in mistakes] == ["gateway/CommitStatus", "gateway/ChaincodeEvents"]


@pytest.mark.parametrize(("first", "then"), [("members", "operators"), ("operators", "members")])
def test_a_channel_changes_to_what_it_would_have_been_made_as(first: Any, then: Any) -> None:
    there = with_readers(channel(first), then)
    assert readers_of(there) == then
    assert not list(readers_mistakes(there))
    assert there.to_dict() == channel(then).to_dict()
    assert with_readers(there, then).root == there.root  # again: nothing to do


def test_foreign_acls_stay() -> None:
    def edit(root: Any) -> None:
        acls = peer_pb2.ACLs()
        acls.acls["peer/Propose"].policy_ref = "/Channel/Application/Admins"
        root.groups["Application"].values["ACLs"].CopyFrom(policies.value(acls))

    config = with_readers(with_readers(changed(channel("members"), edit), "operators"), "members")
    acls = peer_pb2.ACLs.FromString(config.root.groups["Application"].values["ACLs"].value).acls
    assert set(acls) == {"peer/Propose"}


def test_an_unknown_organisation_has_no_authorities_to_change() -> None:
    with pytest.raises(NotFoundError, match="GlebeMSP is not on channel"):
        with_authorities(channel("operators"), "GlebeMSP", [])
    with pytest.raises(ReadersError, match="nothing was changed"):
        with_authorities(channel("operators"), "GridMSP", [])


def test_members_channels_stay_open_when_authorities_change() -> None:
    second = create_authority("ca.second", "grid").certificate_pem
    config = with_authorities(channel("members"), "GridMSP", [ROOTS["GridMSP"].certificate_pem, second])
    assert readers_of(config) == "members"


def test_a_market_on_an_open_channel_is_told_and_a_live_one_refused() -> None:
    assert open_channel_warning(channel("operators"), "live") == ""
    said = open_channel_warning(channel("members"), "simulated")
    assert said.startswith("every member of channel newtown reads everything on it")
    with pytest.raises(OpenChannelError, match="--open-channel"):
        open_channel_warning(channel("members"), "live")
    assert open_channel_warning(channel("members"), "live", allowed=True) == said
    assert open_channel_warning(channel("operators"), "simulated", "forward") == ""
    with pytest.raises(OpenChannelError, match="deploy a forward market on a channel that operators read"):
        open_channel_warning(channel("members"), "simulated", "forward")
    assert open_channel_warning(channel("members"), "simulated", "forward", allowed=True) == said
    one = changed(channel("operators"), readers_as(WIDE["clients"]))
    with pytest.raises(OpenChannelError, match="NewtownMSP's policy"):
        open_channel_warning(one, "live")


def test_a_policy_has_one_principal_for_each_authority() -> None:
    msp = groups.msp_value("GridMSP", ROOTS["GridMSP"].certificate_pem, TLS.certificate_pem)
    envelope = policies_pb2.SignaturePolicyEnvelope.FromString(readers_policy(msp, "operators").policy.value)
    kinds = [each.principal_classification for each in envelope.identities]
    assert kinds == [0, 0, 0, 1]  # three roles and one unit
