# SPDX-License-Identifier: Apache-2.0
"""An orderer that lost its log is taken out and in again: which updates, and for whom not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from commonwatt_client.admin import ChannelConfig, sign_update
from commonwatt_network.consortium.bundle import own_bundle
from commonwatt_network.consortium.genesis import consortium_block
from commonwatt_network.consortium.growth import administrator
from commonwatt_network.consortium.host import OwnHost, init_host, lose_logs, open_host
from commonwatt_network.consortium.organization import OrganizationDescription
from commonwatt_network.consortium.readmission import steps_of
from commonwatt_network.consortium.review import review_block
from commonwatt_network.consortium.update import (
    TooFewSignaturesError,
    UpdateError,
    refuse_too_few,
    review_update,
    signed_envelope,
)
from commonwatt_network.model.layout import Layout, write_atomically
from commonwatt_network.programs import processes

PANIC = """2026-01-01 10:00:00.000 UTC WARN [orderer.consensus.etcdraft] Panicf -> tocommit(9) is out of range
panic: tocommit(9) is out of range [lastIndex(4)]. Was the raft log corrupted, truncated, or lost?

goroutine 1 [running]:
go.uber.org/zap.(*Logger).Panic(0x1)
\t/src/zap.go:1 +0x1
"""


@pytest.fixture
def make_host(tmp_path: Path) -> Callable[[str], OwnHost]:
    def make(name: str, folder: str = "") -> OwnHost:
        description = {
            "name": name,
            "orderers": [{"host": f"orderer.{name}.example"}],
            "peers": [{"host": f"peer.{name}.example"}],
        }
        return init_host(OrganizationDescription.model_validate(description), tmp_path / (folder or name))

    return make


@pytest.fixture
def hosts(make_host: Callable[[str], OwnHost]) -> dict[str, OwnHost]:
    return {name: make_host(name) for name in ("newtown", "glebe", "grid")}


@pytest.fixture
def config(hosts: dict[str, OwnHost]) -> ChannelConfig:
    block = consortium_block("newtown", [own_bundle(host) for host in hosts.values()], "majority")
    return review_block(block).config


async def test_out_first_and_then_in_with_its_new_certificate(
    hosts: dict[str, OwnHost], config: ChannelConfig
) -> None:
    assert steps_of(config, own_bundle(hosts["glebe"])) == []
    lose_logs(hosts["glebe"])
    bundle = own_bundle(open_host(hosts["glebe"].layout.directory))
    out, into = steps_of(config, bundle)
    address = "orderer.glebe.example:7050"
    others = tuple(each for each in config.consenters if each.address != address)
    assert out.consenters == others
    assert into.consenters[:-1] == others
    assert into.consenters[-1].address == address
    assert into.consenters[-1].server_tls_certificate == bundle.orderers[0].tls_certificate.encode()
    assert [words.split(", ")[0] for step in (out, into) for words in step.review.words] == [
        f"takes out the orderer {address}",
        f"takes in the orderer {address}",
    ]
    for step in (out, into):
        one, two = [
            await sign_update(step.update, *administrator(hosts[name])) for name in ("newtown", "grid")
        ]
        with pytest.raises(TooFewSignaturesError, match="waiting for GlebeMSP or GridMSP to do `readmit`"):
            refuse_too_few(step.review, step.update, [one], "readmit")
        refuse_too_few(step.review, step.update, [one, two])
        await signed_envelope(step.review, step.update, [one, two], *administrator(hosts["newtown"]))
    # The second was made for the configuration that the first leaves, so it can be signed together with it.
    assert steps_of(out.review.desired, bundle)[0].update == into.update
    with pytest.raises(UpdateError, match="made for another configuration"):
        review_update(config, into.update)


def test_nobody_else_comes_in_under_its_name(
    make_host: Callable[..., OwnHost], config: ChannelConfig
) -> None:
    impostor = own_bundle(make_host("glebe", "impostor"))
    with pytest.raises(UpdateError, match="the bundle of glebe is foreign"):
        steps_of(config, impostor)


def test_the_only_orderer_cannot_be_taken_out(hosts: dict[str, OwnHost]) -> None:
    alone = review_block(consortium_block("glebe", [own_bundle(hosts["glebe"])])).config
    lose_logs(hosts["glebe"])
    with pytest.raises(UpdateError, match="restore with --keep-logs"):
        steps_of(alone, own_bundle(hosts["glebe"]))


def test_the_last_words_of_a_program_are_its_panic_or_its_last_line(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert processes.last_words(layout, "orderer0") == ""
    write_atomically(processes.log_file(layout, "orderer0"), PANIC)
    assert processes.last_words(layout, "orderer0").startswith(
        "panic: tocommit(9) is out of range [lastIndex(4)]"
    )
    write_atomically(
        processes.log_file(layout, "orderer0"),
        f"{PANIC}2026-01-01 10:00:09.000 UTC ERRO [orderer] disk full\n\n",
    )
    assert processes.last_words(layout, "orderer0").endswith("ERRO [orderer] disk full")
