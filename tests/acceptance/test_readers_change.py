# SPDX-License-Identifier: Apache-2.0
"""`readers` of a running channel changes, and who comes later reads as the others do; on every backend."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from commonwatt_client import ClientError, connect_network_file
from commonwatt_network.backends.registry import nodes_of
from commonwatt_network.change.apply import apply
from commonwatt_network.change.authorities import trust_authorities
from commonwatt_network.change.plan import make_plan
from commonwatt_network.change.renewals import renew_user
from commonwatt_network.channels.deploy import peer_admin
from commonwatt_network.channels.readers import readers_mistakes, readers_of
from commonwatt_network.down import down
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.model.state import read_state
from commonwatt_network.model.topology import Topology, default_topology
from commonwatt_network.trust.certificates import KeyPair, issue_enrolment, read_key_pair
from commonwatt_network.up import up
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ..support.fabric import require_backend

CHANNEL = "newtown"


@contextmanager
def silent(_: str) -> Iterator[None]:
    """A phase that nobody watches."""
    yield


def edited(topology: Topology, **changes: Any) -> Topology:
    content: Any = topology.model_dump(mode="json")
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = content
        for parent in parents:
            place = place[parent]
        place[last] = value
    return Topology.model_validate(content)


async def reads(layout: Layout, user: str, organization: str = "newtown") -> bool:
    """Whether a user is given the channel's first block."""
    async with connect_network_file(layout.network_file, organization, user) as gateway:
        try:
            async with (
                asyncio.timeout(10),
                gateway.get_network(CHANNEL).block_events(start_block=0) as blocks,
            ):
                async for _ in blocks:
                    return True
        except ClientError:
            return False
    return False


async def trades(layout: Layout, user: str, organization: str = "newtown") -> bool:
    """Whether a user submits a transaction and hears of its commit."""
    async with connect_network_file(layout.network_file, organization, user) as gateway:
        contract = gateway.get_network(CHANNEL).get_contract("market")
        outcome = await contract.submit("get_parameters", arguments=["{}"], retry=True)
        return bool(outcome.transaction_id)


async def agreed(nodes: Nodes) -> str | None:
    """Who reads the channel, as each peer of it knows."""
    found = set()
    for peer in nodes.peers_of(CHANNEL):
        async with peer_admin(nodes, peer) as admin:
            config = await admin.fetch_config(CHANNEL)
        assert not list(readers_mistakes(config))
        found.add(readers_of(config))
    [kind] = found
    return kind


def running_nodes(layout: Layout) -> Nodes:
    state = read_state(layout)
    assert state is not None
    return nodes_of(layout, state)


@pytest.mark.long
@pytest.mark.parametrize("backend", ["embedded", "native"])
async def test_a_channel_of_all_members_is_closed_while_it_runs(tmp_path: Path, backend: str) -> None:
    """As a network of the first version: its folder does not say who reads, and its operators have no unit."""
    require_backend(backend)
    directory = tmp_path / ".commonwatt"
    layout = Layout(directory)
    wanted = default_topology(homes=2)
    try:
        await up(directory, edited(wanted, channels__newtown__readers="members"), backend, silent)
        content = json.loads(layout.state_file.read_bytes())
        del content["topology"]["channels"]["newtown"]["readers"]
        layout.state_file.write_text(json.dumps(content))
        assert await reads(layout, "home001")
        state = read_state(layout)
        assert state is not None
        [words] = make_plan(layout, state, wanted).lines
        assert "old blocks stay readable" in words
        assert "begin a new channel" in words

        [(done, _)] = (await apply(directory, wanted, silent)).done
        assert done == words
        assert await agreed(running_nodes(layout)) == "operators"
        assert not await reads(layout, "home001")
        assert await reads(layout, "operator")
        assert await reads(layout, "operator", "grid")
        assert await trades(layout, "home001")
        assert not (await apply(directory, wanted, silent)).done

        await renew_user(directory, "newtown", "operator", new_key=True)
        assert await reads(layout, "operator")  # of the unit still

        grown = edited(
            wanted,
            organizations__glebe={"homes": 1, "users": {"operator": {"role": "operator"}}},
            channels__newtown__organizations=["newtown", "grid", "glebe"],
            orderers__organizations__second={"nodes": 1},
            orderers__organizations__third={"nodes": 1},
        )
        await apply(directory, grown, silent)
        assert (
            await agreed(running_nodes(layout)) == "operators"
        )  # newcomers' policies too, orderers' as well
        assert await reads(layout, "operator", "glebe")
        assert not await reads(layout, "home001", "glebe")

        await apply(directory, edited(grown, channels__newtown__readers="members"), silent)
        assert await agreed(running_nodes(layout)) == "members"
        assert await reads(layout, "home001", "glebe")
    finally:
        down(directory)


async def test_operators_of_the_first_version_get_the_unit_at_the_next_start(tmp_path: Path) -> None:
    directory = tmp_path / ".commonwatt"
    layout = Layout(directory)
    try:
        await up(directory, default_topology(homes=1), "embedded", silent)
        down(directory)
        authority = read_key_pair(
            *(layout.organization("newtown") / "ca" / f"ca.{end}" for end in ("crt", "key"))
        )
        attributes = {
            "hf.EnrollmentID": "operator",
            "hf.Type": "client",
            "hf.Affiliation": "",
            "role": "operator",
        }
        former = issue_enrolment(authority, "operator", "client", attributes, 100)
        folder = layout.user("newtown", "operator")
        for certificate, key in (
            (folder / "certificate.pem", folder / "private_key.pem"),
            (folder / "msp" / "signcerts" / "cert.pem", folder / "msp" / "keystore" / "key.pem"),
        ):
            certificate.write_bytes(former.certificate_pem)
            key.write_bytes(former.key_pem)
        await up(directory, None, None, silent)
        assert await reads(layout, "operator")
    finally:
        down(directory)


def authority(
    name: str, by: KeyPair | None = None, key: Any = None, like: x509.Certificate | None = None
) -> KeyPair:
    """A root, one below `by`, or with `key` and `like` the same root renewed."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = like.subject if like else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = by.key if by else key
    begins = like.not_valid_before_utc if like else datetime.now(UTC) - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(datetime.now(UTC) + timedelta(days=1000))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return KeyPair(certificate, key)


@pytest.mark.long
@pytest.mark.parametrize("backend", ["embedded", "native"])
async def test_authorities_that_come_and_one_that_is_renewed(tmp_path: Path, backend: str) -> None:
    """`network trust`: operators read with their first certificate, before and after a restart."""
    require_backend(backend)
    directory = tmp_path / ".commonwatt"
    layout = Layout(directory)
    root = authority("ca.newtown.second")
    below = authority("ca.newtown.below", root)
    try:
        await up(directory, default_topology(homes=1), backend, silent)
        own = read_key_pair(*(layout.organization("newtown") / "ca" / f"ca.{end}" for end in ("crt", "key")))
        wrong = authority("ca.newtown.wrong", own)
        with pytest.raises(UsageError, match="which issued certificates that Fabric would refuse"):
            await trust_authorities(directory, "newtown", wrong.certificate_pem)
        with pytest.raises(UsageError, match="no list of certificates"):
            await trust_authorities(directory, "newtown", b"junk")
        with pytest.raises(UsageError, match="no organisation glebe"):
            await trust_authorities(directory, "glebe", root.certificate_pem)
        with pytest.raises(UsageError, match="nothing was changed"):  # the one above it is not there
            await trust_authorities(directory, "newtown", below.certificate_pem)
        assert await reads(layout, "operator")

        both = root.certificate_pem + below.certificate_pem
        assert await trust_authorities(directory, "newtown", both) == (CHANNEL,)
        assert await trust_authorities(directory, "newtown", both) == (CHANNEL,)  # again: nothing to do
        for name, attributes in (
            ("operator", {"role": "operator", "hf.Affiliation": "operator"}),
            ("home001", {"role": "home", "home.id": "home001"}),
        ):
            pair = issue_enrolment(below, name, "client", attributes, 100)
            folder = layout.user("newtown", name)
            (folder / "certificate.pem").write_bytes(pair.certificate_pem)
            (folder / "private_key.pem").write_bytes(pair.key_pem)
        assert await reads(layout, "operator")
        assert not await reads(layout, "home001")

        renewed = authority("", None, own.key, own.certificate)
        assert await trust_authorities(directory, "newtown", renewed.certificate_pem) == (CHANNEL,)
        assert await agreed(running_nodes(layout)) == "operators"
        down(directory)
        await up(directory, None, None, silent)
        assert await reads(layout, "operator")
        second = edited(
            default_topology(homes=1),
            channels__second={"organizations": ["newtown", "grid"], "chaincodes": ["market"]},
        )
        await apply(directory, second, silent)
        async with peer_admin(running_nodes(layout), running_nodes(layout).gateway_peer("newtown")) as admin:
            config = await admin.fetch_config("second")
        assert readers_of(config) == "operators"
        assert not list(readers_mistakes(config))
        names = config.application_organizations["NewtownMSP"]
        assert names.root_certificates == (renewed.certificate_pem, root.certificate_pem)
        assert names.intermediate_certificates == (below.certificate_pem,)
    finally:
        down(directory)
