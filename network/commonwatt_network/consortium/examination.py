# SPDX-License-Identifier: Apache-2.0
"""What is wrong with an organisation's host, seen from it: clock, names, ports, signs of life, certificates."""

from __future__ import annotations

import asyncio
import ctypes
import ipaddress
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from commonwatt_client import ClientError

from commonwatt_network.channels.deploy import peer_admin
from commonwatt_network.consortium.clocks import FAR_S, NoDateError, NoLimitError, asking_user, clock_ahead_s
from commonwatt_network.consortium.host import OwnHost, ports_of
from commonwatt_network.consortium.membership import own_config
from commonwatt_network.consortium.renewal import BEFORE_DAYS, holders
from commonwatt_network.errors import UsageError
from commonwatt_network.finding import Finding
from commonwatt_network.model.addresses import split_address
from commonwatt_network.model.forward_market import MARKET
from commonwatt_network.programs import processes
from commonwatt_network.programs.ports import is_free
from commonwatt_network.trust.certificates import days_left
from commonwatt_network.trust.identity import ensure_organization

KEEPALIVE = Path("/proc/sys/net/ipv4/tcp_keepalive_time")
KEEPALIVE_S = 60  # more than the few seconds of docs/consortium.md, and a cut host is noticed late
AHEAD_S = 5  # of the newest transactions before this host's clock
TIME_ERROR = 5  # what adjtimex answers while nothing keeps the clock right
QUERY_TIMEOUT_S = 5.0
MANY_QUERIES_TIMEOUT_S = 30.0


def examine_host(host: OwnHost) -> list[Finding]:
    """Everything that only this host can tell, one finding each."""
    return [
        *_addresses(host),
        _names(host),
        *_ports(host),
        _synchronized(),
        *asyncio.run(_clocks(host)),
        *asyncio.run(_others_clocks(host)),
        _keepalive(),
        _certificates(host),
        _authorities(host),
    ]


def _addresses(host: OwnHost) -> Iterator[Finding]:
    """Fabric's peer looks for an IPv4 address of its host before anything else, and ends where there is none."""
    if host.in_containers:
        return
    found = [
        address.address
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family == socket.AF_INET and not ipaddress.ip_address(address.address).is_loopback
    ]
    says = (
        found[0]
        if found
        else "none but the loopback's, and Fabric's peer does not start without; give the host one that leads nowhere: "
        "`ip address add 192.0.2.1/32 dev lo`"
    )
    yield Finding("IPv4 address", bool(found), says, needed=True)


def _names(host: OwnHost) -> Finding:
    """Whether the names of the own nodes and of the channels' orderers lead somewhere."""
    addresses = {node.address for node in host.fabric_nodes}
    for channel in _channels(host):
        addresses |= {consenter.address for consenter in own_config(host, channel).consenters}
    unknown = sorted({name for name in (split_address(each)[0] for each in addresses) if not _resolves(name)})
    if unknown:
        return Finding("names", False, f"{', '.join(unknown)} leads nowhere; put it into DNS", needed=True)
    return Finding("names", True, "those of the own nodes and of all orderers lead somewhere", needed=True)


def _resolves(name: str) -> bool:
    try:
        return bool(socket.getaddrinfo(name, None, type=socket.SOCK_STREAM))
    except OSError:
        return False


def _ports(host: OwnHost) -> Iterator[Finding]:
    if host.in_containers:
        return
    alive = processes.running(host.layout)
    held = sorted(
        f"{port} ({name})" for port, name in ports_of(host).items() if name not in alive and not is_free(port)
    )
    says = (
        f"{', '.join(held)} is held by another program; stop that one" if held else "free, or the own nodes'"
    )
    yield Finding("ports", not held, says, needed=True)


class _Timex(ctypes.Structure):
    _fields_ = (("modes", ctypes.c_uint), ("rest", ctypes.c_byte * 252))


def _synchronized() -> Finding:
    """Whether the kernel says that something keeps its clock right."""
    try:
        answer = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(_Timex()))
    except (AttributeError, OSError):
        return Finding("clock", True, "this system does not say whether it is kept right")
    good = 0 <= answer < TIME_ERROR
    says = "kept right" if good else "nothing keeps it right; run chrony or systemd-timesyncd"
    return Finding("clock", good, says)


async def _clocks(host: OwnHost) -> list[Finding]:
    """The newest transactions on the own peer, by the clocks of those who sent them, against this host's."""
    findings = []
    for channel in _channels(host):
        what = f"clocks {channel}"
        try:
            async with asyncio.timeout(QUERY_TIMEOUT_S), peer_admin(host, host.peers[0]) as admin:
                height = (await admin.get_chain_info(channel)).height
                block = await admin.get_block_by_number(channel, height - 1)
        except (ClientError, TimeoutError, UsageError):
            findings.append(Finding(what, False, f"{host.peers[0].name} does not answer"))
            continue
        newest_ns = max((each.timestamp_ns for each in block.transactions), default=0)
        ahead_s = newest_ns / 1e9 - time.time()
        says = (
            f"a transaction of block {height - 1} is dated {ahead_s:.0f} s in the future: set this host's "
            "clock, or let its sender set theirs"
            if ahead_s > AHEAD_S
            else "no transaction of the newest block is dated in the future"
        )
        findings.append(Finding(what, ahead_s <= AHEAD_S, says, needed=True))
    return findings


async def _others_clocks(host: OwnHost) -> list[Finding]:
    """The clocks of the other organisations' chaincode against this host's, each once."""
    findings: dict[str, Finding] = {}
    user = asking_user(host)
    if user is None or host.description.chaincode.name != MARKET:
        return []  # another contract has no query that every member may ask
    for channel in _channels(host):
        members = own_config(host, channel).application_organizations
        for mspid in sorted(members.keys() - {host.mspid} - findings.keys()):
            finding = await _clock_of(host, user, channel, mspid)
            if finding is not None:
                findings[mspid] = finding
    return list(findings.values())


async def _clock_of(host: OwnHost, user: str, channel: str, mspid: str) -> Finding | None:
    """None where the organisation's chaincode takes any date."""
    what = f"clock {mspid}"
    try:
        async with asyncio.timeout(MANY_QUERIES_TIMEOUT_S):
            ahead_s = await clock_ahead_s(host, user, channel, mspid)
    except NoLimitError:
        return None
    except NoDateError:
        return Finding(
            what,
            False,
            f"its chaincode takes no query that is dated within {FAR_S} s of this host's clock; compare both clocks, "
            "and see whether the market is founded and its chaincode runs",
        )
    except (ClientError, TimeoutError, UsageError) as error:
        return Finding(what, False, f"its peer does not tell: {error or 'no answer in time'}")
    good = abs(ahead_s) <= AHEAD_S
    says = f"{abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} this host's"
    fix = "; one of the two is wrong: compare both with a time server"
    return Finding(what, good, says if good else says + fix, needed=True)


def _keepalive() -> Finding:
    try:
        seconds = int(KEEPALIVE.read_text())
    except (OSError, ValueError):
        return Finding("signs of life", True, "this system does not say how often the kernel asks for them")
    good = seconds <= KEEPALIVE_S
    fix = (
        "a host that vanishes is noticed late: `sysctl -w net.ipv4.tcp_keepalive_time=2` (docs/consortium.md)"
    )
    says = f"the kernel asks for one after {seconds} s"
    return Finding("signs of life", good, says if good else f"{says}: {fix}")


def _certificates(host: OwnHost) -> Finding:
    """Whose certificate expires first."""
    first = min(holders(host), key=lambda holder: holder.days_left)
    good = first.days_left > min(BEFORE_DAYS, host.description.days_valid // 3) // 2
    says = f"{first.name}'s is the first to expire, in {first.days_left} days"
    fix = "renew it with `commonwatt org renew`, and let the timer do that (`org units`)"
    return Finding("certificates", good, says if good else f"{says}; {fix}", needed=True)


def _authorities(host: OwnHost) -> Finding:
    """Whether the authorities last as long as what they issue."""
    own = ensure_organization(host.layout, host.name)
    certificates = [each for pair in (own.enrolment, own.tls) for each in (pair.certificate, *pair.above)]
    first = min(certificates, key=days_left)
    good = days_left(first) >= host.description.days_valid
    says = f"{first.subject.rfc4514_string()} is the first to expire, in {days_left(first)} days"
    fix = f"less than the {host.description.days_valid} days of what it issues; renew it (`org authorities`)"
    return Finding("authorities", good, says if good else f"{says}: {fix}")


def _channels(host: OwnHost) -> list[str]:
    return [path.stem for path in sorted(host.layout.blocks.glob("*.block"))]
