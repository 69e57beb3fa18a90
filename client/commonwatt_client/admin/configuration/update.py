# SPDX-License-Identifier: Apache-2.0
"""Configuration updates: the difference of two configurations, the signatures it needs, and the envelope to submit.

Everything in between is bytes, so that organisations can sign on hosts of their own: `compute_update` on one,
`sign_update` on each, `assemble_update` and submission on any.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from fabric_protos.common import common_pb2, configtx_pb2

from commonwatt_client.admin.signing import Signatory
from commonwatt_client.errors import AdminError, AlreadyDoneError, InvalidInputError, TimedOutError
from commonwatt_client.identity import Identity
from commonwatt_client.ledger.configuration import ChannelConfig
from commonwatt_client.ledger.transaction import Creator, decode_creator
from commonwatt_client.ledger.wire import parse, serialize
from commonwatt_client.signers import Signer

_POLL_S = 0.1


def compute_update(current: ChannelConfig, desired: ChannelConfig) -> bytes:
    """The ``common.ConfigUpdate`` that leads from one configuration to the other.

    Equal, as a message, to what Fabric's configtxlator computes. Raises AlreadyDoneError when they are the
    same.

    ::

        current = await peer.fetch_config("newtown")
        update = compute_update(current, set_batch(current, timeout_s=0.3))
    """
    if current.channel != desired.channel:
        raise InvalidInputError(f"an update of {current.channel!r} cannot lead to {desired.channel!r}")
    read, write, changed = _delta(current.root, desired.root)
    if not changed:
        raise AlreadyDoneError(f"the configuration of {current.channel!r} is as desired already")
    update = configtx_pb2.ConfigUpdate(channel_id=current.channel, read_set=read, write_set=write)
    return serialize(update)


async def sign_update(update: bytes, identity: Identity, signer: Signer) -> bytes:
    """One organisation's ``common.ConfigSignature`` over a ``common.ConfigUpdate``.

    ::

        signature = await sign_update(update, identity, signer)
        print(signed_by(signature).mspid)
    """
    parse(configtx_pb2.ConfigUpdate, update)
    signatory = Signatory(identity, signer)
    header = signatory.signature_header()
    signature = configtx_pb2.ConfigSignature(
        signature_header=header, signature=await signatory.sign(header + update)
    )
    return serialize(signature)


def signed_by(signature: bytes) -> Creator:
    """Whose a ``common.ConfigSignature`` is.

    ::

        signature = await sign_update(update, identity, signer)
        assert signed_by(signature).mspid == "NewtownMSP"
    """
    header = parse(configtx_pb2.ConfigSignature, signature).signature_header
    return decode_creator(parse(common_pb2.SignatureHeader, header).creator)


async def assemble_update(
    update: bytes, signatures: Iterable[bytes], identity: Identity, signer: Signer
) -> bytes:
    """The signed ``common.Envelope`` to submit, by Broadcast or over REST.

    identity: who submits. Orderers count the signatures on the update alone, not the envelope's, so the
    submitter's is added to them unless it is there; a lone signer gives none in `signatures`.

    ::

        signature = await sign_update(update, identity, signer)  # and those of other organisations
        envelope = await assemble_update(update, [signature], identity, signer)
    """
    channel = parse(configtx_pb2.ConfigUpdate, update).channel_id
    collected = list(signatures)
    if identity.creator not in {signed_by(signature).serialized for signature in collected}:
        collected.append(await sign_update(update, identity, signer))
    signed = [parse(configtx_pb2.ConfigSignature, signature) for signature in collected]
    inner = configtx_pb2.ConfigUpdateEnvelope(config_update=update, signatures=signed)
    envelope = await Signatory(identity, signer).signed_envelope(
        common_pb2.CONFIG_UPDATE, channel, serialize(inner)
    )
    return serialize(envelope)


async def wait_for_config(
    fetch: Callable[[], Awaitable[ChannelConfig]],
    reached: Callable[[ChannelConfig], bool],
    *,
    timeout_s: float = 30.0,
) -> ChannelConfig:
    """Ask for the configuration until it is as wanted, for example ``lambda config: config.sequence > 3``.

    Accepted updates are only ordered: another may come first, and then Fabric drops yours and says nothing.
    So wait for the very change, not for a sequence alone, where others may be updating too.

    ::

        await wait_for_config(lambda: peer.fetch_config("newtown"), lambda config: config.batch_timeout_s < 60)
    """
    last: AdminError | None = None
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    config = await fetch()
                    if reached(config):
                        return config
                except AdminError as error:
                    last = error
                await asyncio.sleep(_POLL_S)
    except TimeoutError as error:
        raise TimedOutError(
            f"the configuration did not change as wanted within {timeout_s:g} s",
            answer=str(last or ""),
            advice="fetch it: if another update came first, compute yours anew",
        ) from error


def _delta(current: Any, desired: Any) -> tuple[Any, Any, bool]:
    """What is read and written to turn one group into the other, and whether anything is.

    A changed element is written with the next version. A group whose set of members (or whose mod_policy)
    changed is itself written with the next version, and then also lists its unchanged members by their
    versions alone.
    """
    read = configtx_pb2.ConfigGroup(version=current.version)
    write = configtx_pb2.ConfigGroup(version=current.version)
    same = configtx_pb2.ConfigGroup()
    members_changed = current.mod_policy != desired.mod_policy

    for kind, content in (("values", "value"), ("policies", "policy")):
        old, new = getattr(current, kind), getattr(desired, kind)
        members_changed |= set(old) != set(new)
        for name, element in new.items():
            if name not in old:
                _write(getattr(write, kind)[name], element, version=0)
            elif _equal(old[name], element, content):
                getattr(same, kind)[name].version = old[name].version
            else:
                _write(getattr(write, kind)[name], element, version=old[name].version + 1)

    members_changed |= set(current.groups) != set(desired.groups)
    for name, group in desired.groups.items():
        if name not in current.groups:
            write.groups[name].CopyFrom(_new_group(group))
            continue
        inner_read, inner_write, changed = _delta(current.groups[name], group)
        if changed:
            read.groups[name].CopyFrom(inner_read)
            write.groups[name].CopyFrom(inner_write)
        else:
            same.groups[name].CopyFrom(inner_read)

    if members_changed:
        write.version = current.version + 1
        write.mod_policy = desired.mod_policy
        read.MergeFrom(same)
        write.MergeFrom(same)
    changed = members_changed or any(getattr(write, kind) for kind in ("values", "policies", "groups"))
    return read, write, changed


def _equal(old: Any, new: Any, content: str) -> bool:
    return bool(old.mod_policy == new.mod_policy and getattr(old, content) == getattr(new, content))


def _write(target: Any, element: Any, version: int) -> None:
    target.CopyFrom(element)
    target.version = version


def _new_group(group: Any) -> Any:
    fresh = configtx_pb2.ConfigGroup(mod_policy=group.mod_policy)
    for kind in ("values", "policies"):
        for name, element in getattr(group, kind).items():
            _write(getattr(fresh, kind)[name], element, version=0)
    for name, inner in group.groups.items():
        fresh.groups[name].CopyFrom(_new_group(inner))
    return fresh
