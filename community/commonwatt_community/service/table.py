# SPDX-License-Identifier: Apache-2.0
"""Every route of the API: the one table of which server and OpenAPI document are made."""

from . import about, answers
from .route import Route
from .tables import doors, enrolments, events, homes, market, messages, operators

ROUTES: tuple[Route, ...] = (
    *doors.ROUTES,
    *messages.ROUTES,
    *market.ROUTES,
    *homes.ROUTES,
    *enrolments.ROUTES,
    *operators.ROUTES,
    *events.ROUTES,
)
"""Paths below ``/api/v1``."""

OUTSIDE: tuple[Route, ...] = (
    Route("GET", "/healthz", about.get_health, "Whether the service works", answer=answers.Health),
    Route("GET", "/metrics", about.get_metrics, "Figures for Prometheus", content="text/plain"),
)
"""Routes that stand beside the API."""
