# SPDX-License-Identifier: Apache-2.0
"""Failures of a call to a service. A refusal by the service or the contract is ``Refused`` of the market."""

from commonwatt_client.errors import ConfigurationError


class ServiceAway(ConnectionError):
    """The service does not answer, has no peer, or asks for a pause: another carrier, or a later try, may help.

    Attributes:
        code: the problem's code, empty without an answer.
        retry_after_s: how long the service asks to wait; None where it does not say.
    """

    def __init__(self, sentence: str, code: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(sentence)
        self.code = code
        self.retry_after_s = retry_after_s


class ServiceMisnamed(ConfigurationError):
    """The service calls itself by another name than the one it is reached by: no login is signed for it."""
