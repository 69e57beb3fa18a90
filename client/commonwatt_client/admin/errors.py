"""What administration can fail with.

::

    AdminError (a ClientError)      which party answered what, and what to do next
    ├── ConnectionFailedError       the party could not be reached, or its TLS certificate was not accepted
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

from commonwatt_client.errors import ClientError, ConfigurationError


class AdminError(ClientError):
    """A failed administrative step.

    `party` is the address (or name) of the node that answered, empty when none was asked; `answer` is its
    own text, unchanged; `advice` says what to do next; `status` is its HTTP or chaincode status, 0 when
    there was none.
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


class ConnectionFailedError(AdminError):
    """The node could not be reached over TLS; nothing is known of whether it acted."""


class RefusedError(AdminError):
    """The node refused the request; nothing was changed by it."""


class ChannelNotFoundError(RefusedError):
    """The node has not joined this channel."""


class ChannelExistsError(RefusedError):
    """The node has joined this channel already; joining again is refused, not repeated."""


class AlreadyDoneError(RefusedError):
    """Exactly this was done before: take it as done."""


class NotFoundError(RefusedError):
    """The node has nothing under this number, hash, id or name."""


class NotReadyError(AdminError):
    """The network is still coming together; the same request works once it has."""


class NotAConsenterError(AdminError):
    """The orderer joined as a follower: it receives blocks, but neither orders nor answers Broadcast."""


class UnexpectedAnswerError(AdminError):
    """The node's answer cannot be read as what Fabric's protocol promises."""


class TimedOutError(AdminError):
    """The state waited for did not come in time; the step may still take effect."""


class InvalidInputError(AdminError, ConfigurationError):
    """The request is wrong in itself; nothing was sent."""
