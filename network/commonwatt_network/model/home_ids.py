# SPDX-License-Identifier: Apache-2.0
"""The homes' ids on the ledger: drawn, so that nobody who knows a street can name its homes there.

An organisation keeps one secret beside its keys, from which each home's id follows by its number. A topology with
`home_seed` states the secret instead, so that samples and tests repeat.
"""

from __future__ import annotations

import base64
import hmac
import secrets

from commonwatt_network.model.layout import Layout, write_atomically

LENGTH = 10  # characters of 5 bits each
SECRET_BYTES = 16


def home_id(secret: str, organization: str, number: int) -> str:
    """Ten characters of a-z and 2-7."""
    drawn = hmac.digest(secret.encode(), f"{organization}|{number}".encode(), "sha256")
    return base64.b32encode(drawn).decode().lower()[:LENGTH]


def ensure_secret(layout: Layout, organization: str, seed: str | None) -> None:
    """Draw the organisation's secret, unless a seed stands for it or its first home has a certificate already."""
    path = layout.home_secret(organization)
    if seed is None and not path.exists() and not layout.user(organization, "home001").exists():
        write_atomically(path, secrets.token_hex(SECRET_BYTES))


def secret_of(layout: Layout, organization: str, seed: str | None) -> str | None:
    """What the ids are drawn from; None for an organisation of the first version, whose homes' names are their ids."""
    path = layout.home_secret(organization)
    if seed is not None or not path.exists():
        return seed
    return path.read_text()
