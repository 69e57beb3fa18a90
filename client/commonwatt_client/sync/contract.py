# SPDX-License-Identifier: Apache-2.0
# Written by `make sync` from commonwatt_client/contract.py: change that file.
"""A chaincode on a channel, and the calls of its transaction functions."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from commonwatt_client import _retrying, _transactions
from commonwatt_client._proposal import Invocation, new_invocation, new_proposed_transaction
from commonwatt_client._retrying import Outcome
from commonwatt_client._transactions import Party, timeout_of
from commonwatt_client.retry import RetryPolicy, policy_of
from commonwatt_client.sync._threads import Connection
from commonwatt_client.sync.transaction import Proposal, SubmittedTransaction

Arguments = Sequence[str | bytes]
Transient = Mapping[str, str | bytes]


class Contract:
    """A contract of a chaincode: the default one, or the one named.

    All calls take text or bytes as arguments and give bytes. `transient` data goes to the endorsers only, never into
    the ledger. `endorsing_organizations` are MSP ids; without them the gateway chooses what the policies ask for.
    Timeouts are seconds; None is the gateway's default (`Timeouts`), `math.inf` none. `retry=True` or a `RetryPolicy`
    tries again as `commonwatt_client.retry` says; without it the gateway's own `retry` holds.

    ::

        market = gateway.get_network("newtown").get_contract("market")
        parameters = market.evaluate_transaction("get_parameters", "{}")
        outcome = market.submit("get_parameters", arguments=["{}"], commit_timeout_s=30, retry=True)
        print(outcome.result == parameters, outcome.block_number, outcome.tries)
    """

    def __init__(
        self, connection: Connection, party: Party, channel: str, chaincode: str, name: str | None
    ) -> None:
        self._connection = connection
        self._party = party
        self._channel = channel
        self._chaincode = chaincode
        self._name = name

    @property
    def chaincode_name(self) -> str:
        """The chaincode's name."""
        return self._chaincode

    @property
    def contract_name(self) -> str | None:
        """The contract's name in the chaincode, None for its default contract."""
        return self._name

    def evaluate_transaction(
        self, name: str, *arguments: str | bytes, timeout_s: float | None = None
    ) -> bytes:
        """The result of a transaction function on one peer; nothing is recorded. Raises EvaluateError."""
        return self.evaluate(name, arguments=arguments, timeout_s=timeout_s)

    def submit_transaction(
        self,
        name: str,
        *arguments: str | bytes,
        endorse_timeout_s: float | None = None,
        submit_timeout_s: float | None = None,
        commit_timeout_s: float | None = None,
    ) -> bytes:
        """Endorse, submit and wait for the commit; the transaction function's result.

        Raises EndorseError, SubmitError, CommitStatusError, and CommitError where the transaction is invalid.
        """
        outcome = self.submit(
            name,
            arguments=arguments,
            endorse_timeout_s=endorse_timeout_s,
            submit_timeout_s=submit_timeout_s,
            commit_timeout_s=commit_timeout_s,
        )
        return outcome.result

    def evaluate(
        self,
        name: str,
        *,
        arguments: Arguments = (),
        transient: Transient | None = None,
        endorsing_organizations: Sequence[str] = (),
        timeout_s: float | None = None,
        retry: RetryPolicy | bool | None = None,
    ) -> bytes:
        """As `evaluate_transaction`, with options; `endorsing_organizations` are those whose peer may answer."""
        return self._connection._run(
            _retrying.evaluate(
                self._party,
                self._invocation(name, arguments, transient, endorsing_organizations),
                timeout_of(timeout_s, self._party.timeouts.evaluate_s),
                self._policy(retry),
            )
        )

    def submit(
        self,
        name: str,
        *,
        arguments: Arguments = (),
        transient: Transient | None = None,
        endorsing_organizations: Sequence[str] = (),
        endorse_timeout_s: float | None = None,
        submit_timeout_s: float | None = None,
        commit_timeout_s: float | None = None,
        retry: RetryPolicy | bool | None = None,
        is_init: bool = False,
    ) -> Outcome:
        """As `submit_transaction`, with options; the outcome tells the block and how many tries it took.

        `is_init`: the call is the chaincode's Init, which its definition may require once per version.
        """
        defaults = self._party.timeouts
        timeouts = replace(
            defaults,
            endorse_s=timeout_of(endorse_timeout_s, defaults.endorse_s),
            submit_s=timeout_of(submit_timeout_s, defaults.submit_s),
            commit_status_s=timeout_of(commit_timeout_s, defaults.commit_status_s),
        )
        invocation = self._invocation(name, arguments, transient, endorsing_organizations)
        if is_init:
            invocation = replace(invocation, is_init=True)
        return self._connection._run(
            _retrying.transact(self._party, invocation, timeouts, self._policy(retry))
        )

    def submit_async(
        self,
        name: str,
        *,
        arguments: Arguments = (),
        transient: Transient | None = None,
        endorsing_organizations: Sequence[str] = (),
        endorse_timeout_s: float | None = None,
        submit_timeout_s: float | None = None,
        retry: RetryPolicy | bool | None = None,
    ) -> SubmittedTransaction:
        """Endorse and submit, without waiting for the commit: `.result` at once, `.status()` later.

        Raises EndorseError, SubmitError.
        """
        policy = self._policy(retry)
        endorsed = self._connection._run(
            _retrying.endorse_and_submit(
                self._party,
                self._invocation(name, arguments, transient, endorsing_organizations),
                timeout_of(endorse_timeout_s, self._party.timeouts.endorse_s),
                timeout_of(submit_timeout_s, self._party.timeouts.submit_s),
                policy,
            )
        )
        request = _transactions.new_commit_request(
            self._party, endorsed.channel, endorsed.prepared.transaction_id
        )
        return SubmittedTransaction(self._connection, self._party, request, endorsed, policy)

    def new_proposal(
        self,
        name: str,
        *,
        arguments: Arguments = (),
        transient: Transient | None = None,
        endorsing_organizations: Sequence[str] = (),
    ) -> Proposal:
        """A proposal to be signed here or elsewhere, then evaluated or endorsed."""
        invocation = self._invocation(name, arguments, transient, endorsing_organizations)
        proposed = new_proposed_transaction(invocation, self._party.identity)
        return Proposal(self._connection, self._party, proposed, self._channel)

    def _policy(self, retry: RetryPolicy | bool | None) -> RetryPolicy | None:
        return self._party.retry if retry is None else policy_of(retry)

    def _invocation(
        self,
        name: str,
        arguments: Arguments,
        transient: Transient | None,
        endorsing_organizations: Sequence[str],
    ) -> Invocation:
        function = f"{self._name}:{name}" if self._name else name
        return new_invocation(
            self._channel, self._chaincode, function, arguments, transient, endorsing_organizations
        )
