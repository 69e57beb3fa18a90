# SPDX-License-Identifier: Apache-2.0
"""How many signed messages one core reads and verifies in a second, by each parser, and what of it is the signature."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from commonwatt_audit.messages import Signer, statement
from commonwatt_chaincode.messages.fields import FIELDS
from commonwatt_chaincode.messages.keys import public_key
from commonwatt_chaincode.messages.message import accepted, read
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.journal import Journal
from commonwatt_community.messages.signing_key import make_key

MESSAGES, ROUNDS = 500, 7


def _per_second(work: Callable[[], object]) -> float:
    """The median of several rounds, by processor time."""
    taken = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return MESSAGES / statistics.median(taken)


def _figures(alg: str, folder: Path) -> dict[str, float]:
    key = make_key(folder / f"{alg}.pem", alg)
    public, signer = key.public, Signer(key.public.jwk)
    with Journal(folder / f"{alg}.journal") as journal:
        home = Author(key, journal, "n7Qm2v0aT1", "newtown", "h-4f2a")
        begun = time.perf_counter()
        said = [home.reading(30 * n, n, 0, import_total_wh=n) for n in range(MESSAGES)]
        written = MESSAGES / (time.perf_counter() - begun)
    parsed = [read(one) for one in said]
    place = {"net": "n7Qm2v0aT1", "channel": "newtown", "typs": FIELDS.keys()}
    return {
        "chaincode, read and verify": _per_second(lambda: [accepted(one, public, **place) for one in said]),
        "of it, read": _per_second(lambda: [read(one) for one in said]),
        "of it, signature": _per_second(
            lambda: [public.verifies(one.signature, one.signing_input) for one in parsed]
        ),
        "audit, read and verify": _per_second(lambda: [statement(one, signer, **place) for one in said]),
        "a key from its JWK": _per_second(lambda: [public_key(public.jwk) for _ in said]),
        "signed and on the disk (wall clock)": written,
    }


def test_figures(tmp_path: Path) -> None:
    print()
    for alg in ("ES256", "EdDSA"):
        for name, figure in _figures(alg, tmp_path).items():
            print(f"{alg}: {name}: {figure:,.0f} / s")
