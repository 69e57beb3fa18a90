# SPDX-License-Identifier: Apache-2.0
"""Channel configurations: decoded, edited, and the update that leads from one to the other."""

import datetime
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commonwatt_client.admin import (
    APPLICATION,
    CHANNEL,
    ORDERER,
    AlreadyDoneError,
    BatchSize,
    ChannelConfig,
    InvalidInputError,
    NotFoundError,
    add_consenter,
    add_organization,
    compute_update,
    remove_consenter,
    remove_organization,
    replace_consenter,
    revoke_certificates,
    set_anchor_peers,
    set_batch,
    set_capability,
    set_orderer_endpoints,
)
from commonwatt_client.ledger.configuration import duration_s, msp_of
from commonwatt_network.trust.certificates import KeyPair, create_authority
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from fabric_protos.common import configtx_pb2
from fabric_protos.msp import msp_config_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def edited(config: ChannelConfig, edit: Callable[[Any], None]) -> ChannelConfig:
    root = config.edited_group()
    edit(root)
    return replace(config, group=root.SerializeToString())


def third_organization(config: ChannelConfig) -> bytes:
    """GridMSP's group under another MSP id, which is all that tells organisations apart."""
    root = config.edited_group()
    group = root.groups["Application"].groups["GridMSP"]
    msp = msp_of(group)
    msp.name = "HillMSP"
    outer = type(group.values["MSP"]).FromString(group.values["MSP"].SerializeToString())
    outer.value = msp_config_pb2.MSPConfig(config=msp.SerializeToString()).SerializeToString()
    group.values["MSP"].CopyFrom(outer)
    return bytes(group.SerializeToString())


EDITS: dict[str, Callable[[ChannelConfig], ChannelConfig]] = {
    "change a value": lambda c: set_batch(c, timeout_s=0.05),
    "change two values": lambda c: set_batch(c, timeout_s=1.5, size=BatchSize(10, 2000, 1000)),
    "raise the channel's capabilities": lambda c: set_capability(c, CHANNEL, "V3_0"),
    "raise a section's capabilities": lambda c: set_capability(c, APPLICATION, "V2_0"),
    "remove a value": lambda c: set_anchor_peers(c, "GridMSP", []),
    "change a consenter list": lambda c: remove_consenter(c, c.consenters[1].address),
    "change endpoints": lambda c: set_orderer_endpoints(c, "OrdererMSP", ["orderer9.example:7050"]),
    "add an organisation": lambda c: add_organization(c, APPLICATION, "HillMSP", third_organization(c)),
    "remove an organisation": lambda c: remove_organization(c, APPLICATION, "GridMSP"),
    "change a policy": lambda c: edited(
        c, lambda root: setattr(root.groups["Application"].policies["Admins"].policy, "value", b"\x08\x01")
    ),
    "remove a policy": lambda c: edited(c, lambda root: root.groups["Application"].policies.pop("Readers")),
    "change a mod_policy": lambda c: edited(
        c, lambda root: setattr(root.groups["Orderer"], "mod_policy", "Writers")
    ),
    "change two groups": lambda c: set_anchor_peers(
        set_batch(c, timeout_s=0.05), "NewtownMSP", ["newtown.example:7051"]
    ),
}


def by_configtxlator(current: ChannelConfig, desired: ChannelConfig, folder: Path) -> Any:
    for name, config in (("current", current), ("desired", desired)):
        message = configtx_pb2.Config(sequence=config.sequence, channel_group=config.root)
        (folder / name).write_bytes(message.SerializeToString())
    command = ["configtxlator", "compute_update", "--channel_id", current.channel]
    files = {"--original": "current", "--updated": "desired", "--output": "update"}
    for option, name in files.items():
        command += [option, str(folder / name)]
    subprocess.run(command, check=True, timeout=30)
    return configtx_pb2.ConfigUpdate.FromString((folder / "update").read_bytes())


@pytest.mark.skipif(shutil.which("configtxlator") is None, reason="needs Fabric's configtxlator on PATH")
@pytest.mark.parametrize("name", EDITS)
def test_updates_are_those_of_configtxlator(name: str, genesis_config: ChannelConfig, tmp_path: Path) -> None:
    desired = EDITS[name](genesis_config)
    update = configtx_pb2.ConfigUpdate.FromString(compute_update(genesis_config, desired))
    assert update == by_configtxlator(genesis_config, desired, tmp_path)


def applied(group: Any, write: Any) -> Any:
    """A group after a write set: what orderers do with an update they have authorised."""
    if write.version == group.version:  # members as before, some of them written
        result = type(group).FromString(group.SerializeToString())
    else:
        result = type(group)(version=write.version, mod_policy=write.mod_policy)
    for kind, content in (("values", "value"), ("policies", "policy")):
        for name, element in getattr(write, kind).items():
            before = getattr(group, kind)
            unchanged = name in before and before[name].version == element.version
            getattr(result, kind)[name].CopyFrom(before[name] if unchanged else element)
            assert unchanged or getattr(element, content) is not None
    for name, inner in write.groups.items():
        result.groups[name].CopyFrom(applied(group.groups[name], inner) if name in group.groups else inner)
    return result


def without_versions(group: Any) -> Any:
    plain = type(group)(mod_policy=group.mod_policy)
    for kind in ("values", "policies"):
        for name, element in getattr(group, kind).items():
            getattr(plain, kind)[name].CopyFrom(element)
            getattr(plain, kind)[name].version = 0
    for name, inner in group.groups.items():
        plain.groups[name].CopyFrom(without_versions(inner))
    return plain


names = st.sampled_from(["A", "B", "C"])
values = st.builds(
    lambda value, mod: configtx_pb2.ConfigValue(value=value, mod_policy=mod, version=len(value)),
    st.sampled_from([b"", b"x", b"yy"]),
    st.sampled_from(["", "Admins"]),
)
groups = st.recursive(
    st.just(configtx_pb2.ConfigGroup()),
    lambda inner: st.builds(
        lambda found, nested, mod: configtx_pb2.ConfigGroup(
            values=found, groups=nested, mod_policy=mod, version=7
        ),
        st.dictionaries(names, values, max_size=3),
        st.dictionaries(names, inner, max_size=2),
        st.sampled_from(["", "Admins"]),
    ),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(groups, groups)
def test_an_update_leads_to_what_was_desired(before: Any, after: Any) -> None:
    current = ChannelConfig("newtown", 0, before.SerializeToString())
    desired = ChannelConfig("newtown", 0, after.SerializeToString())
    try:
        update = configtx_pb2.ConfigUpdate.FromString(compute_update(current, desired))
    except AlreadyDoneError:
        assert without_versions(before) == without_versions(after)
        return
    assert without_versions(applied(before, update.write_set)) == without_versions(after)


def test_no_difference_is_no_update(genesis_config: ChannelConfig) -> None:
    with pytest.raises(AlreadyDoneError):
        compute_update(genesis_config, set_batch(genesis_config, timeout_s=0.2))


def test_configuration_is_decoded(genesis_config: ChannelConfig) -> None:
    config = genesis_config
    assert (config.channel, config.sequence, config.consensus_type) == ("newtown", 0, "etcdraft")
    assert set(config.application_organizations) == {"NewtownMSP", "GridMSP"}
    assert config.application_organizations["NewtownMSP"].anchor_peers == ("127.0.0.1:12630",)
    assert config.orderer_organizations["OrdererMSP"].orderer_endpoints == tuple(
        consenter.address for consenter in config.consenters
    )
    assert config.batch_size == BatchSize(500, 10 << 20, 2 << 20)
    assert config.batch_timeout_s == pytest.approx(0.2)
    assert config.capabilities["Application"] == ("V2_5",)
    assert "/Channel/Application/NewtownMSP/Endorsement" in config.policy_paths()
    shown = config.to_dict()["channel_group"]["groups"]["Orderer"]
    assert shown["values"]["ConsensusType"]["value"]["metadata"]["options"]["tick_interval"] == "50ms"
    assert shown["policies"]["Admins"]["policy"]["value"] == {"sub_policy": "Admins", "rule": "MAJORITY"}
    assert "NewtownMSP" in config.to_json()


def test_edits_that_would_orphan_the_channel_are_refused(genesis_config: ChannelConfig) -> None:
    config = genesis_config
    with pytest.raises(InvalidInputError, match="last organisation"):
        remove_organization(config, ORDERER, "OrdererMSP")
    for address in [consenter.address for consenter in config.consenters[1:]]:
        config = remove_consenter(config, address)
    with pytest.raises(InvalidInputError, match="last consenter"):
        remove_consenter(config, config.consenters[0].address)
    with pytest.raises(InvalidInputError, match="at least one"):
        set_orderer_endpoints(config, "OrdererMSP", [])


def test_edits_of_what_is_not_there_are_refused(genesis_config: ChannelConfig) -> None:
    config = genesis_config
    with pytest.raises(NotFoundError):
        remove_organization(config, APPLICATION, "HillMSP")
    with pytest.raises(NotFoundError):
        remove_consenter(config, "127.0.0.1:1")
    with pytest.raises(InvalidInputError, match="already"):
        add_consenter(config, config.consenters[0])
    with pytest.raises(InvalidInputError, match="already"):
        add_organization(config, APPLICATION, "GridMSP", third_organization(config))
    with pytest.raises(InvalidInputError, match="host:port"):
        set_anchor_peers(config, "GridMSP", ["grid"])
    for timeout_s in (0, float("nan"), float("inf")):
        with pytest.raises(InvalidInputError, match="batch timeout"):
            set_batch(config, timeout_s=timeout_s)
    with pytest.raises(InvalidInputError, match="above 0"):
        set_batch(config, size=BatchSize(2**32, 2000, 1000))
    with pytest.raises(InvalidInputError, match="revocation list"):
        revoke_certificates(config, APPLICATION, "GridMSP", b"junk")


def test_a_consenter_needs_a_certificate_of_an_orderer_organisation(genesis_config: ChannelConfig) -> None:
    foreign = genesis_config.application_organizations["GridMSP"].root_certificates[0]
    consenter = replace(genesis_config.consenters[0], port=7050, server_tls_certificate=foreign)
    with pytest.raises(InvalidInputError, match="TLS authority"):
        add_consenter(genesis_config, consenter)
    with pytest.raises(InvalidInputError, match="TLS authority"):
        replace_consenter(genesis_config, genesis_config.consenters[0].address, consenter)


def test_a_consenter_can_move_and_come_back(genesis_config: ChannelConfig) -> None:
    first, second, third = genesis_config.consenters
    moved = replace(third, host="orderer9.example")
    config = replace_consenter(genesis_config, third.address, moved)
    assert config.consenters == (first, second, moved)
    assert add_consenter(remove_consenter(config, moved.address), third).root == genesis_config.root


def test_a_consenters_certificates_go_without_marks(genesis_config: ChannelConfig) -> None:
    third = genesis_config.consenters[2]
    marked = replace(
        third,
        client_tls_certificate=b"\xef\xbb\xbf" + third.client_tls_certificate,
        server_tls_certificate=b"  " + third.server_tls_certificate,
    )
    assert replace_consenter(genesis_config, third.address, marked).root == genesis_config.root


@pytest.mark.parametrize(
    ("text", "seconds"), [("200ms", 0.2), ("1m30s", 90), ("2s", 2), ("1.5h", 5400), ("0s", 0)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "1 s", "-1s", "1s!"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(InvalidInputError):
        duration_s(text)


def revocation_list(authority: KeyPair, *, names_its_key: bool) -> bytes:
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(now)
        .next_update(now + datetime.timedelta(days=1))
    )
    if names_its_key:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
        builder = builder.add_extension(identifier, critical=False)
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_a_revocation_list_that_would_lock_out_everybody_is_refused(genesis_config: ChannelConfig) -> None:
    authority = create_authority("ca.hill", "hill")

    def own_authority(root: Any) -> None:
        group = root.groups["Application"].groups["GridMSP"]
        msp = msp_of(group)
        msp.root_certs[0] = authority.certificate_pem
        group.values["MSP"].value = msp_config_pb2.MSPConfig(
            config=msp.SerializeToString()
        ).SerializeToString()

    config = edited(genesis_config, own_authority)
    good = revocation_list(authority, names_its_key=True)
    for accepted in (good, revocation_list(authority, names_its_key=True)):
        config = revoke_certificates(config, APPLICATION, "GridMSP", accepted)
        assert config.application_organizations["GridMSP"].revocation_lists == (accepted,)
    marked = revoke_certificates(config, APPLICATION, "GridMSP", b"\xef\xbb\xbf" + accepted)
    assert marked.application_organizations["GridMSP"].revocation_lists == (accepted,)
    with pytest.raises(InvalidInputError, match="lock out everybody"):
        revoke_certificates(config, APPLICATION, "GridMSP", revocation_list(authority, names_its_key=False))
    with pytest.raises(InvalidInputError, match="no authority of NewtownMSP"):
        revoke_certificates(config, APPLICATION, "NewtownMSP", good)
