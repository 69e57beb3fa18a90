# SPDX-License-Identifier: Apache-2.0
"""The route of the stream of events."""

from .. import about
from ..caller import EVERY_ROLE
from ..route import Parameter, Route, text

ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/events",
        about.get_events,
        "Events as they are committed",
        EVERY_ROLE,
        (
            Parameter(
                "Last-Event-ID",
                "header",
                text(r"[0-9]{1,12}:[0-9a-f]{64}:[0-9]{1,3}"),
                "go on after this event",
                needed=False,
            ),
        ),
        content="text/event-stream",
    ),
)
