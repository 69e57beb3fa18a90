# SPDX-License-Identifier: Apache-2.0
"""What an organisation's enrolment authority issued, kept beside its key: every certificate by its holder, and who is
revoked.

A revocation list names serial numbers, and every certificate that a user ever had can still be shown: so each is
written down before it is handed out. Lines are only added.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from commonwatt_network.model.layout import PRIVATE_FILE, Layout, make_private

ISSUED, REVOKED = "issued", "revoked"


@dataclass(frozen=True)
class Record:
    """Holder -> serial numbers of its certificates, oldest first; and the holders that are revoked for good."""

    serials: Mapping[str, tuple[int, ...]]
    revoked: frozenset[str]


def read_record(layout: Layout, organization: str) -> Record:
    """The organisation's record; empty where nothing was issued yet. A line that was cut off is passed over."""
    path = _file(layout, organization)
    serials: dict[str, tuple[int, ...]] = {}
    revoked = set()
    for line in path.read_text().splitlines() if path.exists() else ():
        match line.split():
            case [kind, name, serial] if kind == ISSUED:
                serials[name] = (*serials.get(name, ()), int(serial, 16))
            case [kind, name] if kind == REVOKED:
                revoked.add(name)
    return Record(serials, frozenset(revoked))


def note_issued(layout: Layout, organization: str, name: str, serial_number: int) -> None:
    """Write a certificate down. Call it before the certificate is kept anywhere."""
    _append(layout, organization, f"{ISSUED} {name} {serial_number:x}")


def note_revoked(layout: Layout, organization: str, name: str) -> None:
    """From now on nobody issues or renews a certificate for this name."""
    if name not in read_record(layout, organization).revoked:
        _append(layout, organization, f"{REVOKED} {name}")


def _append(layout: Layout, organization: str, line: str) -> None:
    path = _file(layout, organization)
    make_private(path.parent)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, PRIVATE_FILE), "a") as file:
        file.write(f"{line}\n")


def _file(layout: Layout, organization: str) -> Path:
    return layout.organization(organization) / "ca" / "issued"
