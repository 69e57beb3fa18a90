# SPDX-License-Identifier: Apache-2.0
"""Channel participation: the REST interface by which an orderer joins, lists, updates and leaves channels.

Paths, answers and error texts are those of Fabric's orderer (`/participation/v1/channels`, mutual TLS). A
client such as Fabric's own `osnadmin` sees no difference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import BodyPartReader, MultipartReader, hdrs, web
from fabric_protos.common import common_pb2, configtx_pb2
from google.protobuf.message import DecodeError

from commonwatt_network.embedded.channels.blocks import WIRE_ERROR, BlockError, headers_of
from commonwatt_network.embedded.channels.updates import ConfigUpdateError, validate_channel_id
from commonwatt_network.embedded.orderer.admission import Rejection, Status
from commonwatt_network.embedded.orderer.joining import ChannelExists, InvalidJoinBlock, JoinError
from commonwatt_network.embedded.orderer.service import (
    ChannelInfo,
    Orderer,
    UnknownChannel,
)

CHANNELS_PATH = "/participation/v1/channels"
MAXIMUM_REQUEST_BYTES = 1 << 20
BLOCK_NUMBER = re.compile(r"[+-]?0*[0-9]{1,18}")
FORM_CONTENT_TYPE = re.compile("multipart/form-data*")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RequestError(Exception):
    """A request is refused with a status, a message and headers."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


@dataclass(frozen=True)
class Participation:
    """The handlers for one orderer."""

    orderer: Orderer

    def application(self) -> web.Application:
        one = CHANNELS_PATH + "/{channel}"
        block = one + "/blocks/{block}"
        application = web.Application(middlewares=[_answer_errors], client_max_size=MAXIMUM_REQUEST_BYTES)
        router = application.router
        router.add_get(CHANNELS_PATH, self.list_channels, allow_head=False)
        router.add_post(CHANNELS_PATH, self.join)
        router.add_put(CHANNELS_PATH, self.update)
        router.add_get(one, self.get_channel, allow_head=False)
        router.add_delete(one, self.remove)
        router.add_get(block, self.get_block, allow_head=False)
        router.add_get("/participation/v1/", _redirect, allow_head=False)
        for path, allowed in ((CHANNELS_PATH, "GET, POST, PUT"), (one, "GET, DELETE"), (block, "GET")):
            router.add_route("*", path, _refuse_method(allowed))
        return application

    async def list_channels(self, request: web.Request) -> web.Response:
        joined = sorted(self.orderer.joined)
        channels = [{"name": name, "url": f"{CHANNELS_PATH}/{name}"} for name in joined]
        return _json({"systemChannel": None, "channels": channels or None})

    async def get_channel(self, request: web.Request) -> web.Response:
        try:
            return _json(_describe(self.orderer.channel_info(_channel_id(request))))
        except UnknownChannel as error:
            raise RequestError(404, str(error)) from error

    async def get_block(self, request: web.Request) -> web.Response:
        channel_id, wanted = _channel_id(request), request.match_info["block"]
        if wanted not in ("newest", "oldest", "config") and not BLOCK_NUMBER.fullmatch(wanted):
            raise RequestError(400, f"invalid block ID: '{wanted}' not equal <newest|oldest|config|(number)>")
        try:
            channel = self.orderer.channel(channel_id)
            known = {
                "oldest": 0,
                "newest": channel.height - 1,
                "config": channel.last_config_number,
            }
            number = known[wanted] if wanted in known else int(wanted)
            if number == -1:  # which Fabric reads as the newest
                number = channel.height - 1
            if not 0 <= number < channel.height:
                raise IndexError(f"no such block number [{number}] in index")
            content = channel.store.encoded_block(number)
        except (UnknownChannel, IndexError) as error:
            raise RequestError(404, str(error)) from error
        headers = {hdrs.CACHE_CONTROL: "no-store"}
        return web.Response(body=content, content_type="application/octet-stream", headers=headers)

    async def join(self, request: web.Request) -> web.Response:
        content = await _form_file(request, "config-block")
        try:
            block = common_pb2.Block.FromString(content)
        except DecodeError as error:
            raise RequestError(
                400, f"cannot unmarshal file part config-block into a block: {WIRE_ERROR}"
            ) from error
        try:
            info = await self.orderer.join(block)
        except InvalidJoinBlock as error:
            raise RequestError(400, f"invalid join block: {error}") from error
        except ChannelExists as error:
            raise RequestError(405, f"cannot join: {error}", {hdrs.ALLOW: "GET, DELETE"}) from error
        except JoinError as error:
            raise RequestError(400, f"cannot join: {error}") from error
        return _created(info)

    async def update(self, request: web.Request) -> web.Response:
        content = await _form_file(request, "config-update-envelope")
        try:
            envelope = common_pb2.Envelope.FromString(content)
        except DecodeError as error:
            raise RequestError(
                400, f"cannot unmarshal file part config-update-envelope into an envelope: {WIRE_ERROR}"
            ) from error
        channel_id = _updated_channel(envelope)
        try:
            channel = self.orderer.channel(channel_id)
        except UnknownChannel as error:
            raise RequestError(405, f"cannot update: {error}") from error
        if not self.orderer.is_consenter(channel_id):
            raise RequestError(403, "cannot update: channel is not ready, he is a follower")
        try:
            channel.submit(envelope)
        except Rejection as error:
            failed = f"cannot update: failed update config of channel {channel_id}"
            if error.status == Status.SERVICE_UNAVAILABLE:
                failed += " with SERVICE_UNAVAILABLE: rejected by Configure"
            raise RequestError(400, f"{failed}: {error.info}") from error
        return _created(self.orderer.channel_info(channel_id))

    async def remove(self, request: web.Request) -> web.Response:
        try:
            await self.orderer.remove(_channel_id(request))
        except UnknownChannel as error:
            raise RequestError(404, f"cannot remove: {error}") from error
        return web.Response(status=204)


def _describe(info: ChannelInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "url": f"{CHANNELS_PATH}/{info.name}",
        "consensusRelation": info.consensus_relation,
        "status": info.status,
        "height": info.height,
    }


def _created(info: ChannelInfo) -> web.Response:
    content = _describe(info)
    return _json(content, 201, {hdrs.LOCATION: content["url"]})


def _json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&":  # as Go's encoder does
        text = text.replace(character, f"\\u{ord(character):04x}")
    headers = headers if headers is not None else {hdrs.CACHE_CONTROL: "no-store"}
    return web.Response(
        body=text.encode() + b"\n", status=status, content_type="application/json", headers=headers
    )


@web.middleware
async def _answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        accepted = request.headers.get(hdrs.ACCEPT, "")
        kinds = ("application/json", "application/*", "*/*")
        if accepted and not any(kind in accepted for kind in kinds):
            raise RequestError(406, "response Content-Type is application/json only")
        return await handler(request)
    except RequestError as error:
        return _json({"error": str(error)}, error.status, error.headers)
    except web.HTTPNotFound:
        return web.Response(text="404 page not found\n", status=404)


def _refuse_method(allowed: str) -> Handler:
    async def refuse(request: web.Request) -> web.StreamResponse:
        raise RequestError(405, f"invalid request method: {request.method}", {hdrs.ALLOW: allowed})

    return refuse


async def _redirect(request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound(CHANNELS_PATH)


def _channel_id(request: web.Request) -> str:
    channel_id = request.match_info["channel"]
    try:
        validate_channel_id(channel_id)
    except ConfigUpdateError as error:
        raise RequestError(400, f"invalid channel ID: {error}") from error
    return channel_id


def _updated_channel(envelope: Any) -> str:
    try:
        payload, header, _ = headers_of(envelope)
        if header.type != common_pb2.CONFIG_UPDATE:
            raise RequestError(400, "invalid config update envelope: bad type")
        if not header.channel_id:
            raise RequestError(400, "invalid config update envelope: empty channel id")
        wrapped = configtx_pb2.ConfigUpdateEnvelope.FromString(payload.data)
        update = configtx_pb2.ConfigUpdate.FromString(wrapped.config_update)
    except (BlockError, DecodeError) as error:
        what = "header" if str(error) == "header not set" else "payload"
        raise RequestError(400, f"invalid config update envelope: bad {what}") from error
    return str(update.channel_id)


async def _form_file(request: web.Request, name: str) -> bytes:
    """The content of the form's only part, which must be a file called `name`."""
    content_type = request.headers.getall(hdrs.CONTENT_TYPE, [])
    if not any(FORM_CONTENT_TYPE.match(value) for value in content_type):
        raise RequestError(400, f"unsupported Content-Type: [{' '.join(content_type)}]")
    files: dict[str, bytes] = {}
    values = 0
    total = 0
    try:
        reader: MultipartReader = await request.multipart()
        while (part := await reader.next()) is not None:
            if not isinstance(part, BodyPartReader):
                raise ValueError("multipart: nested parts")
            content = bytearray()
            while chunk := await part.read_chunk():
                total += len(chunk)
                if total > MAXIMUM_REQUEST_BYTES:
                    raise RequestError(
                        400, "cannot read form from request body: http: request body too large"
                    )
                content += chunk
            if part.filename is None:
                values += 1
            else:
                files[part.name or ""] = bytes(content)
    except RequestError:
        raise
    except (ValueError, AssertionError, web.HTTPException) as error:
        raise RequestError(400, "cannot read form from request body: multipart: NextPart: EOF") from error
    if name not in files:
        raise RequestError(400, f"form does not contains part key: {name}")
    if len(files) != 1 or values:
        raise RequestError(400, "form contains too many parts")
    return files[name]
