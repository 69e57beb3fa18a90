# SPDX-License-Identifier: Apache-2.0
"""A community's service as programs call it: ``ServiceClient`` reads the market and has messages carried over HTTPS.

``docs/rest.md`` describes the same interface for other languages.
"""

from .client import ServiceClient
from .failures import ServiceAway, ServiceMisnamed
from .values import Enrolment, Limits, LoggedIn, ServiceEvent, Wishes

__all__ = [
    "Enrolment",
    "Limits",
    "LoggedIn",
    "ServiceAway",
    "ServiceClient",
    "ServiceEvent",
    "ServiceMisnamed",
    "Wishes",
]
