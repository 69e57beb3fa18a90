# SPDX-License-Identifier: Apache-2.0
"""Routes of signed messages, and of what became of them."""

from .. import answers, speaking
from ..caller import EVERY_ROLE, SPEAKERS
from ..parameters import DIGEST
from ..route import Parameter, Route, integer

ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/messages",
        speaking.post_messages,
        "Hand signed messages over",
        SPEAKERS,
        body=speaking.Messages,
        answer=answers.MessageResults,
        largest_body=speaking.LARGEST_BODY,
        problems=("no_receipt_key", "stopping", "cannot_store"),
    ),
    Route(
        "GET",
        "/receipts/{digest}",
        speaking.get_receipt,
        "The result of a message",
        EVERY_ROLE,
        (
            DIGEST,
            Parameter(
                "wait_s",
                "query",
                integer(0, speaking.LONGEST_WAIT_S, default=0),
                "the longest time to wait for the result",
                needed=False,
            ),
            Parameter(
                "proof", "query", integer(0, 1, default=1), "0 leaves the commit receipt out", needed=False
            ),
        ),
        answer=answers.Receipt,
        problems=("unknown_receipt",),
    ),
)
