# SPDX-License-Identifier: Apache-2.0
"""The caller of a request: a home, its meter, a resident or an operator, and the records that it may see."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """The role of a session. Residents and operators come by a browser; homes, meters and operators by a key."""

    HOME = "home"
    METER = "meter"
    RESIDENT = "resident"
    OPERATOR = "operator"


EVERY_ROLE = frozenset(Role)
OF_A_HOME = frozenset({Role.HOME, Role.METER, Role.RESIDENT})
SPEAKERS = frozenset({Role.HOME, Role.METER, Role.OPERATOR})
"""Those who sign messages; a resident's session signs nothing."""

OPERATORS = frozenset({Role.OPERATOR})
RESIDENTS = frozenset({Role.RESIDENT})
PEOPLE = frozenset({Role.RESIDENT, Role.OPERATOR})

TOKEN, COOKIE = "token", "cookie"


@dataclass(frozen=True)
class Caller:
    """A session: how it came, its role, its home (an operator's by key: the MSP id), and a person's account name."""

    way: str
    role: Role
    home: str
    name: str
    session: bytes
    expires_s: int

    def may_see(self, home: str) -> bool:
        """Whether a home's records are the caller's to see."""
        return self.role is Role.OPERATOR or self.home == home

    @property
    def called(self) -> str:
        """As the audit log names the caller."""
        return f"{self.role}:{self.name or self.home}"
