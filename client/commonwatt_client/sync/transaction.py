# SPDX-License-Identifier: Apache-2.0
# Written by `make sync` from commonwatt_client/transaction.py: change that file.
"""A transaction step by step: proposal, endorsed transaction, commit."""

from typing import Any

from commonwatt_client import _retrying, _transactions
from commonwatt_client._messages import CommitMessage, ProposalMessage, TransactionMessage
from commonwatt_client._transactions import Party, Status, timeout_of
from commonwatt_client.retry import RetryPolicy
from commonwatt_client.sync._threads import Connection


class Commit(CommitMessage):
    """A submitted transaction, whose commit status can be asked for.

    ::

        transaction = market.new_proposal("get_parameters", arguments=["{}"]).endorse()
        commit = transaction.submit()
        status = commit.status(timeout_s=30)
        print(status.code.name, status.block_number)
    """

    def __init__(self, connection: Connection, party: Party, request: Any, transaction_id: str) -> None:
        super().__init__(party, request, transaction_id)
        self._connection = connection

    def status(self, *, timeout_s: float | None = None) -> Status:
        """Wait until the transaction is in a block of the peer's ledger, valid or not.

        Raises CommitStatusError, and SigningError where the request is unsigned and the gateway has no signer.
        """
        limit_s = timeout_of(timeout_s, self._party.timeouts.commit_status_s)
        return self._connection._run(
            _retrying.commit_status(self._party, self._request, self._transaction_id, limit_s)
        )


class SubmittedTransaction(Commit):
    """A transaction that the orderer has taken, before it is committed: what `submit_async` returns.

    ::

        submitted = market.submit_async("get_parameters", arguments=["{}"], retry=True)
        print("before its commit:", submitted.result)
        print(submitted.status().successful)
    """

    def __init__(
        self,
        connection: Connection,
        party: Party,
        request: Any,
        endorsed: _retrying.Endorsed,
        policy: RetryPolicy | None,
    ) -> None:
        super().__init__(connection, party, request, endorsed.prepared.transaction_id)
        self._endorsed = endorsed
        self._policy = policy

    @property
    def result(self) -> bytes:
        """What the transaction function returned; it holds once `status()` says so."""
        return self._endorsed.result

    @property
    def tries(self) -> int:
        """How often it was endorsed, 1 without a retry policy."""
        return self._endorsed.tries

    def status(self, *, timeout_s: float | None = None) -> Status:
        """As `Commit.status`; with a retry policy the same envelope is submitted again while no commit comes."""
        limit_s = timeout_of(timeout_s, self._party.timeouts.commit_status_s)
        return self._connection._run(
            _retrying.settled_status(self._party, self._endorsed, self._request, limit_s, self._policy)
        )


class Transaction(TransactionMessage):
    """An endorsed transaction, to be submitted.

    ::

        transaction = market.new_proposal("get_parameters", arguments=["{}"]).endorse(timeout_s=10)
        print(transaction.transaction_id, transaction.result)
        transaction.submit(timeout_s=10)
    """

    def __init__(self, connection: Connection, party: Party, prepared: Any) -> None:
        super().__init__(party, prepared)
        self._connection = connection

    def submit(self, *, timeout_s: float | None = None) -> Commit:
        """Hand the transaction to the orderer; ask the commit returned for its status.

        Raises SubmitError, and SigningError where it is unsigned and the gateway has no signer. Submitting the same
        transaction again is safe.
        """
        limit_s = timeout_of(timeout_s, self._party.timeouts.submit_s)
        self._connection._run(
            _transactions.sign_and_submit(self._party, self._prepared, self._channel, limit_s)
        )
        request = _transactions.new_commit_request(self._party, self._channel, self.transaction_id)
        return Commit(self._connection, self._party, request, self.transaction_id)


class Proposal(ProposalMessage):
    """A proposal: the call of a transaction function, to be evaluated or endorsed.

    ::

        proposal = market.new_proposal("get_parameters", arguments=["{}"])
        signed = gateway.new_signed_proposal(proposal.to_bytes(), signer.sign(proposal.digest))
        print(signed.evaluate())
    """

    def __init__(self, connection: Connection, party: Party, proposed: Any, channel: str) -> None:
        super().__init__(party, proposed, channel)
        self._connection = connection

    def evaluate(self, *, timeout_s: float | None = None) -> bytes:
        """The transaction function's result on one peer, nothing being recorded. Raises EvaluateError, SigningError."""
        limit_s = timeout_of(timeout_s, self._party.timeouts.evaluate_s)
        return self._connection._run(
            _transactions.sign_and_evaluate(self._party, self._proposed, self._channel, limit_s)
        )

    def endorse(self, *, timeout_s: float | None = None) -> Transaction:
        """Collect the endorsements the policy asks for. Raises EndorseError, SigningError."""
        limit_s = timeout_of(timeout_s, self._party.timeouts.endorse_s)
        prepared = self._connection._run(
            _transactions.sign_and_endorse(self._party, self._proposed, self._channel, limit_s)
        )
        return Transaction(self._connection, self._party, prepared)
