# SPDX-License-Identifier: Apache-2.0
"""The parts of a running service, which each route's handler may use."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ..market.attestations import Attestations, nobody_attests
from ..market.receipts import Service
from ..portal.reading import HomeReader
from ..portal.settings import PortalSettings
from .challenges import Challenges
from .events import Hub
from .invitations import Invitations
from .ledger import Ledger
from .meters import Meters
from .outbox import Outbox
from .passphrases import Passphrases
from .rates import Buckets, Rates
from .store import Store


@dataclass
class Parts:
    """The parts of a running service.

    Attributes:
        names: hosts and ports by which the service is reached; a login is signed for one of them.
        receipts: signs promises; None until its key stands on the ledger.
        attestations: what the grid attested of the community.
        portal: the community's name and the factor of CO2.
        is_stopping: no more messages are taken.
    """

    names: tuple[str, ...]
    store: Store
    ledger: Ledger
    outbox: Outbox
    hub: Hub
    invitations: Invitations
    passphrases: Passphrases
    receipts: Callable[[], Service | None]
    challenges: Challenges = field(default_factory=Challenges)
    rates: Rates = field(default_factory=Rates)
    meters: Meters = field(default_factory=Meters)
    attestations: Attestations = nobody_attests
    portal: PortalSettings = field(default_factory=PortalSettings)
    is_stopping: bool = False

    def __post_init__(self) -> None:
        self.homes = HomeReader(self.ledger.market, attestations=self.attestations)
        self.of_callers = Buckets(self.rates.caller)
        self.of_messages = Buckets(self.rates.messages)
        self.of_strangers = Buckets(self.rates.stranger)
        self.of_guesses = Buckets(self.rates.guess)
        self.of_accounts = Buckets(self.rates.account)
