# SPDX-License-Identifier: Apache-2.0
"""Routes of what everybody may know of the market."""

from ...market.results import ClearedPrices, PeriodState, Standing, StoredKeys
from .. import answers, reads
from ..caller import EVERY_ROLE
from ..parameters import AUTHORS, HOME_ID, OF_PERIOD, ONE_PERIOD, SPAN
from ..route import Parameter, Route, one_of

ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/configuration",
        reads.get_configuration,
        "Rules, tariffs, market time",
        EVERY_ROLE,
        answer=Standing,
    ),
    Route("GET", "/tariff", reads.get_tariff, "Tariffs and holidays", EVERY_ROLE, answer=answers.Tariff),
    Route("GET", "/prices", reads.list_prices, "Cleared prices", EVERY_ROLE, SPAN, answer=ClearedPrices),
    Route(
        "GET",
        "/periods",
        reads.list_periods,
        "Records of periods",
        EVERY_ROLE,
        SPAN,
        answer=answers.Periods,
    ),
    Route(
        "GET",
        "/periods/{period}",
        reads.get_period,
        "A period",
        EVERY_ROLE,
        (ONE_PERIOD,),
        answer=PeriodState,
    ),
    Route(
        "GET",
        "/envelopes",
        reads.get_envelopes,
        "Envelopes of a period",
        EVERY_ROLE,
        (OF_PERIOD, Parameter("home", "query", HOME_ID, "a home's id", needed=False)),
        answer=answers.Envelopes,
    ),
    Route(
        "GET",
        "/keys/{author}/{owner}",
        reads.get_keys,
        "An author's public keys",
        EVERY_ROLE,
        (
            Parameter("author", "path", one_of(*AUTHORS, "carrier"), "whose keys"),
            Parameter("owner", "path", HOME_ID, "a home's id, an operator's MSP id or a carrier's id"),
        ),
        answer=StoredKeys,
    ),
)
