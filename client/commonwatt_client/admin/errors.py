"""What administration can fail with.

::

    AdminError (a ClientError)      which party answered what, and what to do next
    ├── ConnectionFailedError       the party could not be reached, or its TLS certificate was not accepted
    │                               (also an UnreachableError)
    ├── RefusedError                the party understood the request and refused it
    │   ├── ChannelNotFoundError    it does not know the channel
    │   ├── ChannelExistsError      it has joined the channel already
    │   ├── AlreadyDoneError        exactly this was done before; nothing is left to do
    │   └── NotFoundError           it has no such block, transaction, package, definition or snapshot request
    ├── NotReadyError               it cannot yet: no leader, or its peers have not found each other; ask again
    ├── NotAConsenterError          an orderer joined a channel without being one of its consenters
    ├── UnexpectedAnswerError       the answer was not what Fabric's protocol promises
    ├── TimedOutError               the state waited for did not come in time
    └── InvalidInputError           refused here, before anything was sent (also a ConfigurationError)
"""

from commonwatt_client.errors import ClientError, ConfigurationError, UnreachableError


class AdminError(ClientError):
    """A failed administrative step.

    `party` is the address (or name) of the node that answered, empty when none was asked; `answer` is its
    own text, unchanged; `advice` says what to do next; `status` is its HTTP or chaincode status, 0 when
    there was none.

    ::

        try:
            await peer.get_chain_info("nowhere")
        except AdminError as error:
            print(error.party, error.answer, error.advice, error.status)
    """

    def __init__(
        self, message: str, *, party: str = "", answer: str = "", advice: str = "", status: int = 0
    ) -> None:
        self.message = message
        self.party = party
        self.answer = answer
        self.advice = advice
        self.status = status
        super().__init__(message)

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

        authority = Path(".commonwatt/organizations/newtown/tlsca/ca.crt").read_bytes()
        async with PeerAdmin("127.0.0.1:1", identity=identity, signer=signer, tls_ca=authority) as away:
            try:
                await away.list_channels()
            except ConnectionFailedError as error:
                print(error)
    """


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


class ChannelExistsError(RefusedError):
    """The node has joined this channel already; joining again is refused, not repeated.

    ::

        genesis = await peer.get_block_by_number("newtown", 0)
        try:
            await peer.join_channel(genesis.serialized)
        except ChannelExistsError as error:
            print(error)
    """


class AlreadyDoneError(RefusedError):
    """Exactly this was done before: take it as done.

    ::

        current = await peer.fetch_config("newtown")
        try:
            compute_update(current, set_batch(current, timeout_s=current.batch_timeout_s))
        except AlreadyDoneError as error:
            print(error)
    """


class NotFoundError(RefusedError):
    """The node has nothing under this number, hash, id or name.

    ::

        try:
            await peer.get_block_by_number("newtown", 1_000_000)
        except NotFoundError as error:
            print(error.answer)
    """


class NotReadyError(AdminError):
    """The network is still coming together; the same request works once it has.

    ::

        try:
            print(await peer.discover_endorsers("newtown", "market"))
        except NotReadyError as error:
            print("ask again:", error.advice)
    """


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


class UnexpectedAnswerError(AdminError):
    """The node's answer cannot be read as what Fabric's protocol promises.

    ::

        try:
            decode_block(b"junk")
        except UnexpectedAnswerError as error:
            print(error)
    """


class TimedOutError(AdminError):
    """The state waited for did not come in time; the step may still take effect.

    ::

        try:
            await wait_for_config(lambda: peer.fetch_config("newtown"), lambda config: False, timeout_s=0.1)
        except TimedOutError as error:
            print(error.advice)
    """


class InvalidInputError(AdminError, ConfigurationError):
    """The request is wrong in itself; nothing was sent.

    ::

        try:
            parse_signature_policy("AND('NewtownMSP.peer'")
        except InvalidInputError as error:
            print(error)
    """
