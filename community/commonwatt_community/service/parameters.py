# SPDX-License-Identifier: Apache-2.0
"""Values that several routes take, with their bounds: those of signed messages."""

from commonwatt_chaincode.messages.fields import EVERYWHERE, HIGHEST_SEQ, SHA256_HEX, Text

from .route import Parameter, integer, one_of, text

LAST_PERIOD = 10**10 // 60
_HOME = EVERYWHERE["home"]
assert isinstance(_HOME, Text)
HOME_ID = text(_HOME.pattern.pattern)
HOME = Parameter("home", "path", HOME_ID, "a home's id")
PERIOD_ID = integer(0, LAST_PERIOD)

ONE_PERIOD = Parameter("period", "path", PERIOD_ID, "the minute since 1970 at which the period starts")
OF_PERIOD = Parameter("period", "query", PERIOD_ID, "the minute since 1970 at which the period starts")
SPAN = (
    Parameter("from_period", "query", PERIOD_ID, "the first minute since 1970 of the span"),
    Parameter(
        "to_period", "query", PERIOD_ID, "the first minute behind the span, 44,640 minutes later at most"
    ),
)
KIND = Parameter(
    "kind", "query", one_of("bid", "reading"), "bids (requests, offers, withdrawals) or readings"
)
AUTHORS = ("home", "meter", "operator")
ONE_MESSAGE = (
    KIND,
    OF_PERIOD,
    Parameter("seq", "query", integer(1, HIGHEST_SEQ), "the message's number"),
    Parameter(
        "digest", "query", text(SHA256_HEX.pattern.pattern), "SHA-256 of the message's signing input, in hex"
    ),
    Parameter("author", "query", one_of(*AUTHORS, default="home"), "who signed the message", needed=False),
)
DIGEST = Parameter(
    "digest", "path", text(SHA256_HEX.pattern.pattern), "SHA-256 of the message's signing input, in hex"
)
DAY = Parameter("day", "path", integer(0, 200_000), "the local day, counted from 1 January 1970")
