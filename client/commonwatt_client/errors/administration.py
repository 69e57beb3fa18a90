# SPDX-License-Identifier: Apache-2.0
"""What administration can fail with."""

import grpc

from commonwatt_client.errors.base import (
    ClientError,
    ConfigurationError,
    MalformedMessageError,
    UnreachableError,
)
from commonwatt_client.errors.codes import ErrorCode


class AdminError(ClientError):
    """A failed administrative step. Beyond every error's attributes:

    Attributes:
        answer: the node's own text, unchanged; empty where it gave none.

    ::

        try:
            await peer.get_chain_info("nowhere")
        except AdminError as error:
            print(error.code, error.party, error.answer, error.advice, error.status)
    """

    own_code = ErrorCode.REFUSED

    def __init__(
        self,
        message: str,
        *,
        party: str = "",
        answer: str = "",
        advice: str = "",
        status: grpc.StatusCode | int | None = None,
        transaction_id: str = "",
    ) -> None:
        super().__init__(message, status=status, party=party, transaction_id=transaction_id, advice=advice)
        self.answer = answer

    def __str__(self) -> str:
        text = self.message
        if self.party:
            text += f": {self.party} answered" if self.answer else f" ({self.party})"
        if self.answer:
            text += f": {self.answer}"
        if self.advice:
            text += f"; {self.advice}"
        return text


class ConnectionFailedError(AdminError, UnreachableError):
    """The node could not be reached over TLS; nothing is known of whether it acted.

    ::

        authority = ".commonwatt/organizations/newtown/tlsca/ca.crt"
        async with PeerAdmin(Peer("127.0.0.1:1", authority), identity=identity, signer=signer) as away:
            try:
                await away.list_channels()
            except ConnectionFailedError as error:
                print(error)
    """

    own_code = ErrorCode.PEER_UNREACHABLE


class RefusedError(AdminError):
    """The node refused the request; nothing was changed by it.

    ::

        try:
            await peer.join_channel_by_snapshot("/nowhere")
        except RefusedError as error:
            print(error.answer)
    """


class ChannelNotFoundError(RefusedError):
    """The node has not joined this channel.

    ::

        try:
            await peer.get_chain_info("nowhere")
        except ChannelNotFoundError as error:
            print(error.party, await peer.list_channels())
    """

    own_code = ErrorCode.CHANNEL_NOT_FOUND


class ChannelExistsError(RefusedError):
    """The node has joined this channel already; joining again is refused, not repeated.

    ::

        genesis = await peer.get_block_by_number("newtown", 0)
        try:
            await peer.join_channel(genesis.serialized)
        except ChannelExistsError as error:
            print(error)
    """

    own_code = ErrorCode.CHANNEL_EXISTS


class AlreadyDoneError(RefusedError):
    """Exactly this was done before: take it as done.

    ::

        current = await peer.fetch_config("newtown")
        try:
            compute_update(current, set_batch(current, timeout_s=current.batch_timeout_s))
        except AlreadyDoneError as error:
            print(error)
    """

    own_code = ErrorCode.ALREADY_DONE


class SignaturesMissingError(RefusedError):
    """A policy of the channel asks for other or more signatures than the update of its configuration carries.

    ::

        current = await peer.fetch_config("newtown")
        update = compute_update(current, set_batch(current, timeout_s=0.5))
        try:
            await orderer.update_channel(await assemble_update(update, [], identity, signer))
        except RefusedError as error:
            print(isinstance(error, SignaturesMissingError), error.answer)
    """

    own_code = ErrorCode.SIGNATURES_MISSING


class NotAgreedError(RefusedError):
    """An endorsing peer's organisation has not approved exactly this chaincode definition, as far as it knows.

    ::

        try:
            await peer.commit_chaincode_definition("newtown", ChaincodeDefinition("market", "9.9", sequence=9))
        except RefusedError as error:
            print(isinstance(error, NotAgreedError), error.advice)
    """

    own_code = ErrorCode.NOT_AGREED


class SequenceTakenError(RefusedError):
    """The chaincode definition does not follow the one in force: another took its sequence, or one is left out.

    ::

        try:
            await peer.commit_chaincode_definition("newtown", ChaincodeDefinition("market", "9.9", sequence=9))
        except RefusedError as error:
            print(isinstance(error, SequenceTakenError), error.advice)
    """

    own_code = ErrorCode.SEQUENCE_TAKEN


class PrivateDataMissingError(RefusedError):
    """The peer lacks a private value that it should hold: other members send it, or nobody holds it any more.

    An organisation's approvals are such values, and its own peers alone hold them. One that lost all its peers
    approves the next sequence of the definition.

    ::

        try:
            await peer.query_approved_chaincode_definition("newtown", "market", sequence=1)
        except RefusedError as error:
            print(isinstance(error, PrivateDataMissingError), error.advice)
    """

    own_code = ErrorCode.PRIVATE_DATA_MISSING


class NotFoundError(RefusedError):
    """The node has nothing under this number, hash, id or name.

    ::

        try:
            await peer.get_block_by_number("newtown", 1_000_000)
        except NotFoundError as error:
            print(error.answer)
    """

    own_code = ErrorCode.NOT_FOUND


class NotReadyError(AdminError):
    """The network is still coming together; the same request works once it has.

    ::

        try:
            print(await peer.discover_endorsers("newtown", "market"))
        except NotReadyError as error:
            print("ask again:", error.advice)
    """

    own_code = ErrorCode.NOT_READY


class NotAConsenterError(AdminError):
    """The orderer joined as a follower: it receives blocks, but neither orders nor answers Broadcast.

    ::

        genesis = await peer.get_block_by_number("newtown", 0)
        try:
            await orderer.join_channel(genesis.serialized)
        except NotAConsenterError:
            await orderer.join_channel(genesis.serialized, as_follower=True)
        except ChannelExistsError as error:
            print(error)
    """

    own_code = ErrorCode.NOT_A_CONSENTER


class UnexpectedAnswerError(AdminError, MalformedMessageError):
    """The node's answer cannot be read as what Fabric's protocol promises.

    ::

        try:
            decode_block(b"junk")
        except UnexpectedAnswerError as error:
            print(error)
    """

    own_code = ErrorCode.MALFORMED_MESSAGE


class TimedOutError(AdminError):
    """The state waited for did not come in time; the step may still take effect.

    ::

        try:
            await wait_for_config(lambda: peer.fetch_config("newtown"), lambda config: False, timeout_s=0.1)
        except TimedOutError as error:
            print(error.advice)
    """

    own_code = ErrorCode.DEADLINE_EXCEEDED


class InvalidInputError(AdminError, ConfigurationError):
    """The request is wrong in itself; nothing was sent.

    ::

        try:
            parse_signature_policy("AND('NewtownMSP.peer'")
        except InvalidInputError as error:
            print(error)
    """

    own_code = ErrorCode.INVALID_INPUT
