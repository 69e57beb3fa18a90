# SPDX-License-Identifier: Apache-2.0
"""The orderer's channel participation REST interface: join, list, remove channels, read blocks, update
configurations.

Mutual TLS; any client certificate of a CA the orderer trusts for this port may do everything, whatever its
MSP role. Reading blocks and updating configurations over REST came with Fabric 3.1; older orderers answer
them with RefusedError, and `OrderingClient` does both on every version.
"""

import asyncio
import json
import math
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote

from commonwatt_client._connection import Peer
from commonwatt_client.admin.refusals import refusal
from commonwatt_client.admin.transport import read_answer
from commonwatt_client.errors import (
    ConnectionFailedError,
    InvalidInputError,
    NotAConsenterError,
    TimedOutError,
    UnexpectedAnswerError,
)
from commonwatt_client.extras import extra
from commonwatt_client.identity import read_pem
from commonwatt_client.ledger.block import Block, decode_block, read_config_block
from commonwatt_client.ledger.configuration import ChannelConfig, read_channel_config
from commonwatt_client.timeouts import Timeouts

HALF_A_MINUTE_EACH = Timeouts(evaluate_s=30.0, submit_s=30.0)

Position = Literal["newest", "oldest", "config"] | int
_CHANNELS = "/participation/v1/channels"
_POLL_S = 0.1


@dataclass(frozen=True)
class ChannelInfo:
    """An orderer's view of a channel it has joined.

    consensus_relation: ``consenter`` (orders), ``follower`` (only receives), ``config-tracker``.
    status: ``active``, ``onboarding`` (catching up), ``inactive``, ``failed``.
    height: blocks it has.

    ::

        info = await orderer.get_channel("newtown")
        print(info.consensus_relation, info.status, info.height)
    """

    name: str
    consensus_relation: str
    status: str
    height: int


class OrdererAdmin:
    """One orderer's administration port. Needs the extra `admin`: ``pip install commonwatt-client[admin]``.

    orderer: ``host:port`` of its Admin listener, its TLS, and the client certificate that it is shown, described as a
    peer's. timeouts: `evaluate_s` bounds every request, half a minute where None.

    ::

        folder = Path(".commonwatt/organizations/orderers")
        tls = folder / "users/admin/tls"
        where = Peer(
            orderer_admin_address,
            folder / "tlsca/ca.crt",
            tls_server_name="orderer0",
            client_certificate=ClientCertificate(tls / "server.crt", tls / "server.key"),
        )
        async with OrdererAdmin(where) as orderer:
            print(await orderer.list_channels())
    """

    def __init__(self, orderer: Peer, *, timeouts: Timeouts | None = None) -> None:
        self.address = orderer.address
        self._timeout_s = (timeouts or HALF_A_MINUTE_EACH).evaluate_s
        self._server_name = orderer.tls_server_name
        self._tls = _tls_context(orderer)
        self._http = extra("aiohttp", "admin", "an orderer's administration port")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Nothing stays open between calls; this is here so that it is used as a `PeerAdmin` is."""

    async def join_channel(self, block: bytes, *, as_follower: bool = False) -> ChannelInfo:
        """Join a channel with its genesis block, or a later configuration block (to come back, or come late).

        An orderer that is not among the block's consenters joins as a mere follower and says 201 all the
        same: unless `as_follower`, the channel is then removed again and NotAConsenterError raised. Raises
        ChannelExistsError when it has joined before, RefusedError for a block it does not accept.
        """
        channel = read_config_block(block).channel_id
        info = _channel_info(self.address, await self._join(channel, block))
        if info.consensus_relation == "consenter" or as_follower:
            return info
        await self.remove_channel(info.name)
        raise NotAConsenterError(
            f"{self.address} is not a consenter of {info.name!r} (it would be a {info.consensus_relation}); "
            "it was taken off the channel again",
            party=self.address,
            advice="list its TLS certificate among the channel's consenters, or pass as_follower=True",
        )

    async def list_channels(self) -> tuple[str, ...]:
        """The names of the channels this orderer has joined, sorted."""
        listed = _json(self.address, await self._request("GET", _CHANNELS))
        try:
            return tuple(sorted(str(channel["name"]) for channel in listed.get("channels") or []))
        except (KeyError, TypeError, AttributeError) as error:
            raise UnexpectedAnswerError("the list of channels cannot be read", party=self.address) from error

    async def get_channel(self, channel: str) -> ChannelInfo:
        """This orderer's view of one channel. Raises ChannelNotFoundError."""
        return _channel_info(self.address, await self._request("GET", _path(channel)))

    async def remove_channel(self, channel: str) -> None:
        """Take the orderer off a channel and delete its blocks; returns when its list no longer shows the channel.

        Raises ChannelNotFoundError, or TimedOutError when the orderer is still at it after `timeout_s`.
        """
        await self._request("DELETE", _path(channel))
        try:
            async with asyncio.timeout(self._timeout_s):
                while channel in await self.list_channels():  # noqa: ASYNC110 - the orderer gives no notice
                    await asyncio.sleep(_POLL_S)
        except TimeoutError as error:
            raise TimedOutError(
                f"{self.address} still lists {channel!r} {self._timeout_s:g} s after it was told to remove it",
                party=self.address,
                advice="it goes on by itself: list its channels again before you join it anew",
            ) from error

    async def get_block(self, channel: str, position: Position) -> Block:
        """A block of the channel: "newest", "oldest", the current "config", or by number (Fabric 3.1 and
        later).
        """
        if isinstance(position, int) and position < 0:
            raise InvalidInputError(f"block number {position} is negative")
        answer = await self._request("GET", f"{_path(channel)}/blocks/{position}")
        return read_answer(self.address, decode_block, answer)

    async def fetch_config(self, channel: str) -> ChannelConfig:
        """The channel configuration in force, as this orderer has it (Fabric 3.1 and later)."""
        return read_channel_config(await self.get_block(channel, "config"))

    async def update_channel(self, envelope: bytes) -> ChannelInfo:
        """Submit a signed configuration update (``common.Envelope``) (Fabric 3.1 and later).

        Accepted means ordered, not in force: wait for the configuration's sequence. Raises RefusedError
        with the policy that is not satisfied.
        """
        answer = await self._request("PUT", _CHANNELS, "config-update-envelope", envelope)
        return _channel_info(self.address, answer)

    async def _join(self, channel: str, block: bytes) -> bytes:
        # An orderer that is still taking down an earlier copy of the channel drops the connection without an answer.
        deadline = asyncio.get_running_loop().time() + (self._timeout_s or math.inf)
        while True:
            try:
                return await self._request("POST", _CHANNELS, "config-block", block)
            except ConnectionFailedError as error:
                dropped = isinstance(
                    error.__cause__, self._http.ServerDisconnectedError | ConnectionResetError
                )
                if not dropped or asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(5 * _POLL_S)
            if channel in await self.list_channels():
                return await self._request("GET", _path(channel))

    async def _request(self, method: str, path: str, field: str = "", content: bytes = b"") -> bytes:
        aiohttp = self._http
        form = None
        if field:
            form = aiohttp.FormData()
            # The orderer ignores a part that has no file name.
            form.add_field(field, content, filename=f"{field}.pb", content_type="application/octet-stream")
        try:
            # One request per connection, closed when this returns: an orderer that restarts leaves no stale one behind.
            async with (
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(ssl=self._tls),
                    timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                ) as session,
                session.request(
                    method, f"https://{self.address}{path}", data=form, server_hostname=self._server_name
                ) as response,
            ):
                answer: bytes = await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ConnectionFailedError(
                f"cannot administer the orderer at {self.address}: {str(error) or type(error).__name__}",
                party=self.address,
                advice="check that it runs, that this is its Admin port, that it trusts the client's CA",
            ) from error
        if response.status < 300:
            return answer
        raise refusal(_ACTIONS[method], self.address, response.status, _answer_text(response.status, answer))


def _answer_text(status: int, answer: bytes) -> str:
    try:
        return str(json.loads(answer)["error"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return answer.decode(errors="replace").strip()[:500] or f"HTTP status {status}"


_ACTIONS = {
    "POST": "join the channel",
    "GET": "read the channel",
    "DELETE": "remove the channel",
    "PUT": "update the channel",
}


def _path(channel: str) -> str:
    if not channel:
        raise InvalidInputError("a channel's name is missing")
    return f"{_CHANNELS}/{quote(channel, safe='')}"


def _json(address: str, answer: bytes) -> dict[str, Any]:
    try:
        read = json.loads(answer)
    except (ValueError, RecursionError) as error:
        raise UnexpectedAnswerError("the answer is not JSON", party=address, answer=str(error)) from error
    if not isinstance(read, dict):
        raise UnexpectedAnswerError("the answer is not a JSON object", party=address)
    return read


def _channel_info(address: str, answer: bytes) -> ChannelInfo:
    read = _json(address, answer)
    try:
        return ChannelInfo(
            str(read["name"]), str(read["consensusRelation"]), str(read["status"]), int(read["height"])
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnexpectedAnswerError("the channel information cannot be read", party=address) from error


def _tls_context(orderer: Peer) -> ssl.SSLContext:
    shown = orderer.client_certificate
    if shown is None:
        raise InvalidInputError(
            f"the orderer's administration port {orderer.address} demands a client certificate",
            advice="give its Peer a client_certificate",
        )
    try:
        authorities = (
            None
            if orderer.tls_ca_cert is None
            else read_pem(orderer.tls_ca_cert, "an orderer's TLS CA certificate").decode("ascii", "ignore")
        )
        context = ssl.create_default_context(cadata=authorities)
        certificate = read_pem(shown.certificate, "the TLS client certificate")
        key = read_pem(shown.private_key, "the TLS client key")
        # The standard library reads key pairs from files only: a private folder that is gone again at once.
        with tempfile.TemporaryDirectory() as folder:
            pair = Path(folder, "client.pem")
            pair.touch(mode=0o600)
            pair.write_bytes(certificate.rstrip() + b"\n" + key)
            context.load_cert_chain(pair)
    except (ssl.SSLError, ValueError) as error:
        raise InvalidInputError(
            f"the TLS certificates or key for an orderer cannot be used: {error}"
        ) from error
    return context
