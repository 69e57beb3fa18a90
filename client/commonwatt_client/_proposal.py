# SPDX-License-Identifier: Apache-2.0
"""Building a proposal: a pure function of its contents, a nonce and a time."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from secrets import token_bytes
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2

from commonwatt_client.errors import ConfigurationError
from commonwatt_client.identity import Identity
from commonwatt_client.ledger.hashes import transaction_id

NONCE_BYTES = 24


@dataclass(frozen=True, slots=True)
class Invocation:
    """What is to be called: a transaction function of a chaincode on a channel, and with what."""

    channel: str
    chaincode: str
    function: str
    arguments: tuple[bytes, ...] = ()
    transient: Mapping[str, bytes] | None = None
    endorsing_organizations: tuple[str, ...] = ()
    is_init: bool = False


def as_bytes(value: str | bytes) -> bytes:
    """An argument's bytes; text is UTF-8."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise ConfigurationError(
        f"a transaction argument must be str or bytes, not {type(value).__name__}; encode it first, "
        "for example with json.dumps"
    )


def new_invocation(
    channel: str,
    chaincode: str,
    function: str,
    arguments: Sequence[str | bytes] = (),
    transient: Mapping[str, str | bytes] | None = None,
    endorsing_organizations: Sequence[str] = (),
) -> Invocation:
    """An `Invocation` from loosely typed parts; raises ConfigurationError for arguments of another type."""
    return Invocation(
        channel=channel,
        chaincode=chaincode,
        function=function,
        arguments=tuple(as_bytes(value) for value in arguments),
        transient={key: as_bytes(value) for key, value in transient.items()} if transient else None,
        endorsing_organizations=tuple(endorsing_organizations),
    )


def proposal_bytes(
    invocation: Invocation, identity: Identity, nonce: bytes, timestamp_ns: int
) -> tuple[str, bytes]:
    """The transaction id and the serialised `Proposal` (channel header, signature header, input, transient data)."""
    name = transaction_id(nonce, identity.creator)
    header = common_pb2.ChannelHeader(
        type=common_pb2.ENDORSER_TRANSACTION,
        channel_id=invocation.channel,
        tx_id=name,
        extension=_header_extension(invocation.chaincode),
    )
    header.timestamp.seconds, header.timestamp.nanos = divmod(timestamp_ns, 1_000_000_000)
    signature_header = common_pb2.SignatureHeader(creator=identity.creator, nonce=nonce)
    spec = chaincode_pb2.ChaincodeSpec(
        type=chaincode_pb2.ChaincodeSpec.NODE,
        chaincode_id=chaincode_pb2.ChaincodeID(name=invocation.chaincode),
        input=chaincode_pb2.ChaincodeInput(
            args=(invocation.function.encode(), *invocation.arguments), is_init=invocation.is_init
        ),
    )
    payload = proposal_pb2.ChaincodeProposalPayload(
        input=chaincode_pb2.ChaincodeInvocationSpec(chaincode_spec=spec).SerializeToString(),
        TransientMap=invocation.transient,
    )
    proposal = proposal_pb2.Proposal(
        header=common_pb2.Header(
            channel_header=header.SerializeToString(), signature_header=signature_header.SerializeToString()
        ).SerializeToString(),
        payload=payload.SerializeToString(),
    )
    return name, proposal.SerializeToString()


def new_proposed_transaction(invocation: Invocation, identity: Identity) -> Any:
    """A `gateway.ProposedTransaction` with a fresh nonce and the present time, not yet signed."""
    name, serialised = proposal_bytes(invocation, identity, token_bytes(NONCE_BYTES), time.time_ns())
    return gateway_pb2.ProposedTransaction(
        transaction_id=name,
        proposal=proposal_pb2.SignedProposal(proposal_bytes=serialised),
        endorsing_organizations=invocation.endorsing_organizations,
    )


@lru_cache(maxsize=256)
def _header_extension(chaincode: str) -> bytes:
    extension = proposal_pb2.ChaincodeHeaderExtension(chaincode_id=chaincode_pb2.ChaincodeID(name=chaincode))
    serialised: bytes = extension.SerializeToString()
    return serialised
