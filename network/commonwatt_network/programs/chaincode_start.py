# SPDX-License-Identifier: Apache-2.0
"""Whether a chaincode server serves: it listens where peers dial, speaks TLS, and registers under its package id.

Asked before anything is deployed, in the peer's place: what a peer would say of it comes later and explains less.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from commonwatt_network.model.layout import Layout
from commonwatt_network.programs import readiness
from commonwatt_network.programs.readiness import POLL_S, NotReadyError

if TYPE_CHECKING:
    from commonwatt_client.admin import ChaincodePackage

    from commonwatt_network.embedded.lifecycle.package_store import Connection

IDLE_S = 20.0  # a program that neither listens nor computes for so long is not waited for
LONGEST_S = 300.0  # one that computes is, for this long: Java on a busy machine takes a minute
ELSEWHERE_S = 5.0  # after that, a program that listens at other ports alone is not waited for
LOOK_S = 1.0  # how often its ports and CPU time are looked at
LITTLE_CPU_S = 0.02
DIAL_S = 10.0
REGISTRATION_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Server:
    """A chaincode server to wait for. `pid`: its process, None where it runs elsewhere.

    `address`: where it listens, if that is not where the package says (the determinism guard's second server).
    """

    name: str
    package: ChaincodePackage
    pid: int | None
    address: str | None = None


async def wait_serving(layout: Layout, servers: Iterable[Server]) -> None:
    """Until each server would serve a peer. Raises NotReadyError for the first that does not, with its last lines.

    A process that ends is heard within POLL_S.
    """
    tasks = [asyncio.create_task(_serving(layout, server)) for server in servers]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _serving(layout: Layout, server: Server) -> None:
    connection = _connection(server)
    if server.pid is not None:
        await _listening(layout, server, connection.address, server.pid)
    mistake = await _mistake(connection, server)
    if mistake is None:
        return
    if server.pid is None:
        raise NotReadyError(f"the chaincode server {server.name} at {connection.address} {mistake}")
    words = f"{server.name} {mistake}"
    if readiness.has_ended(server.pid):
        words = readiness.ended_words(server.name, server.pid)
    raise NotReadyError(readiness.failure(words, layout, server.name))


async def _listening(layout: Layout, server: Server, address: str, pid: int) -> None:
    now = asyncio.get_running_loop().time
    began = looked = busy = now()
    elsewhere_since, cpu_s = float("inf"), 0.0
    while not await readiness.connects(address):
        if readiness.has_ended(pid):
            words = readiness.ended_words(server.name, pid)
            raise NotReadyError(readiness.failure(words, layout, server.name))
        if now() - looked > LOOK_S:
            others, used_s = await asyncio.to_thread(_seen, pid)
            looked = now()
            elsewhere_since = min(elsewhere_since, looked) if others else float("inf")
            if used_s - cpu_s > LITTLE_CPU_S:
                busy, cpu_s = looked, used_s
            what = None
            if looked - elsewhere_since > ELSEWHERE_S:
                what = (
                    f"{server.name} listens at {', '.join(others)}, not at {address}; let it take "
                    "CHAINCODE_SERVER_ADDRESS, or write {address} into its command"
                )
            elif looked - busy > IDLE_S or looked - began > LONGEST_S:
                what = f"waited {looked - began:.0f} s for {server.name} to listen on {address}"
            if what is not None:
                raise NotReadyError(readiness.failure(what, layout, server.name))
        await asyncio.sleep(POLL_S)


def _seen(pid: int) -> tuple[list[str], float]:
    """Where the process and its children listen, and the CPU time that they have used, in seconds."""
    found: set[str] = set()
    used_s = 0.0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                times = each.cpu_times()
                used_s += times.user + times.system
                found |= {
                    f"{entry.laddr.ip}:{entry.laddr.port}"
                    for entry in each.net_connections(kind="tcp")
                    if entry.status == psutil.CONN_LISTEN
                }
    return sorted(found), used_s


def _connection(server: Server) -> Connection:
    from commonwatt_client.admin import read_package

    from commonwatt_network.embedded.lifecycle.package_store import Connection

    _, fields = read_package(server.package.content)
    connection = Connection.model_validate({**fields, "dial_timeout": f"{DIAL_S}s"})
    return connection.model_copy(update={"address": server.address}) if server.address else connection


async def _mistake(connection: Connection, server: Server) -> str | None:
    """What is wrong with the server, as a peer's stream to it meets it; None where it registers as it should."""
    from fabric_protos.peer import chaincode_pb2, chaincode_shim_pb2
    from google.protobuf.message import DecodeError

    from commonwatt_network.embedded.transport.client import DialError, StreamError, open_stream

    registered: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def receive(encoded: bytes) -> None:
        try:
            message = chaincode_shim_pb2.ChaincodeMessage.FromString(encoded)
            if message.type != chaincode_shim_pb2.ChaincodeMessage.REGISTER:
                raise StreamError("it does not begin by registering")
            name = chaincode_pb2.ChaincodeID.FromString(message.payload).name
        except DecodeError as error:
            raise StreamError("it sends no chaincode messages") from error
        if not registered.done():
            registered.set_result(name)

    package_id = server.package.package_id
    authority = "the certificate that it shows was not issued by the authority given (tls_authority)"
    try:
        stream = await open_stream(connection, "/protos.Chaincode/Connect", receive)
    except DialError as error:
        reason = _plain(str(error))
        if "refused" in reason or "no such host" in reason or "unreachable" in reason:
            return f"cannot be reached ({reason}); start it with CHAINCODE_ID={package_id}, then repeat the command"
        if "CERTIFICATE_VERIFY_FAILED" in reason:
            if "mismatch" in reason:
                host = connection.address.rpartition(":")[0]
                return (
                    f"shows a certificate that does not name {host} ({reason}); have one issued for that name"
                )
            return f"cannot be trusted: {authority} ({reason}); name its own authority"
        return f"does not speak TLS as peers do ({reason}); let it serve with CHAINCODE_TLS_CERT and CHAINCODE_TLS_KEY"
    try:
        await asyncio.wait(
            {registered, stream.ended}, timeout=REGISTRATION_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
        )
        if registered.done():
            name = registered.result()
            if name == package_id:
                return None
            return f"registers as '{name}'; let it take CHAINCODE_ID, which is {package_id}"
        if stream.ended.done():
            return (
                f"took the connection and ended it without registering ({stream.ended.result()}); where it demands a "
                "certificate of peers, see CHAINCODE_TLS_CLIENT_CACERT and client_authentication"
            )
        return f"took the connection and did not register within {REGISTRATION_TIMEOUT_S:.0f} s"
    finally:
        stream.close()


def _plain(error: str) -> str:
    """The innermost reason of what Fabric's words wrap: `connect: connection refused`."""
    return error.removeprefix('connection error: desc = "transport: ').removesuffix('"')
