# SPDX-License-Identifier: Apache-2.0
"""A community's folder, which is the one of its `community.yaml`: secrets, bundles, and files for the operator."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from commonwatt_client import Timeouts, connect_network_file
from commonwatt_client.admin import PeerAdmin
from commonwatt_client.errors import ConfigurationError
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.network_file import MARKET, NetworkFile, find_network, read_network_file
from commonwatt_client.profile import network_file_peers, network_file_user

from commonwatt_community.market.calls import RETRY
from commonwatt_community.market.exchange import Block, ExchangeMarket, exchange_of
from commonwatt_community.market.forward import FORWARD, ForwardMarket, organizations_of
from commonwatt_community.market.refused import DATA_NOT_HERE

from .community_file import FILE, CommunityFile, read_community_file

GRID = "grid"

PASSING = frozenset({DATA_NOT_HERE, "gate_open", "not_frozen", "no_key", "unknown_home", "not_configured"})
"""What an organisation's peer answers while it is a block behind the one that reported the commit."""

_TIMEOUTS = Timeouts(evaluate_s=15.0, endorse_s=15.0)  # a line can fall silent without being cut


@dataclass(frozen=True)
class Folder:
    """A community's files, and its `community.yaml` as read."""

    path: Path
    community: CommunityFile

    @property
    def codes_key(self) -> Path:
        """The secret of the homes' one-time codes."""
        return self.path / "codes.key"

    @property
    def residents_key(self) -> Path:
        """The key of residents' invitations, for the service."""
        return self.path / "residents.key"

    @property
    def operator_key(self) -> Path:
        """The key with which the operator signs messages."""
        return self.path / "operator.pem"

    @property
    def journal(self) -> Path:
        """The messages that the operator signed."""
        return self.path / "operator.journal"

    @property
    def bundles(self) -> Path:
        """The bundles for households."""
        return self.path / "bundles"

    @property
    def register(self) -> Path:
        """Which home each line of a CSV file became."""
        return self.path / "homes.json"

    @property
    def enrolments(self) -> Path:
        """Requests of homes that come as files."""
        return self.path / "enrolments"

    @property
    def tariff_file(self) -> Path:
        """A tariff to publish."""
        return self.path / "tariff.yaml"

    @property
    def envelopes_file(self) -> Path:
        """Envelopes to publish."""
        return self.path / "envelopes.yaml"

    def network(self, named: str | None = None) -> NetworkFile:
        """The network file: as named, or as the community says, or the one of the folder here.

        Raises:
            NoNetworkError, ConfigurationError: there is none, or it has no such channel.
        """
        stated = self.community.network
        if named is None and stated is not None:
            inside = self.path / stated
            named = str(inside if inside.exists() else stated)
        network = read_network_file(find_network(named), homes=False)
        self.mspid(network)
        organizations_of(network.content, network.path, self.community.channel)
        return network

    def mspid(self, network: NetworkFile) -> str:
        """The MSP id of the community's organisation."""
        organizations = network.content.get("organizations", {})
        if self.community.organization not in organizations:
            raise UsageError(
                f"{network.path} has no organisation {self.community.organization}, which {self.path / FILE} names; "
                f"it has {', '.join(sorted(organizations)) or 'none'}"
            )
        return str(organizations[self.community.organization]["mspid"])

    @asynccontextmanager
    async def operator(self, network: NetworkFile) -> AsyncIterator[ForwardMarket]:
        """The market as the operator calls it."""
        async with _market(
            network, self.community.channel, self.community.organization, self.community.operator
        ) as market:
            yield market

    @asynccontextmanager
    async def grid(self, network: NetworkFile, named: str | None = None) -> AsyncIterator[ForwardMarket]:
        """The market as the grid calls it: `named` is USER@ORGANISATION; by default what the community says."""
        organization, user = self.grid_user(network, named)
        async with _market(network, self.community.channel, organization, user) as market:
            yield market

    @asynccontextmanager
    async def exchange(self, network: NetworkFile, channel: str) -> AsyncIterator[ExchangeMarket]:
        """The region's exchange as the operator calls it. ConfigurationError for a channel that is none."""
        organization, user = self.community.organization, self.community.operator
        async with connect_network_file(network.path, organization, user, timeouts=_TIMEOUTS) as gateway:
            yield exchange_of(gateway, network, channel)

    @asynccontextmanager
    async def newest_block(self, network: NetworkFile) -> AsyncIterator[Callable[[], Awaitable[Block]]]:
        """A question to the community's own peer: which block of its channel is the newest."""
        organization, channel = self.community.organization, self.community.channel
        identity, signer = network_file_user(network.path, organization, self.community.operator)
        peer = network_file_peers(network.path, organization)[0]
        async with PeerAdmin(peer, identity=identity, signer=signer) as admin:

            async def newest() -> Block:
                info = await admin.get_chain_info(channel)
                return Block(info.height - 1, info.current_block_hash.hex())

            yield newest

    def grid_user(self, network: NetworkFile, named: str | None = None) -> tuple[str, str]:
        """Organisation and user of the grid. UsageError if neither `named` nor the file names one."""
        if named is not None:
            user, separator, organization = named.partition("@")
            if not separator or not user or organization not in network.content["organizations"]:
                raise UsageError(f"--grid {named}: name USER@ORGANISATION of {network.path}")
            return organization, user
        if self.community.grid is not None:
            return self.community.grid.organization, self.community.grid.user
        raise UsageError(
            f"no identity of the grid is named: give --grid USER@ORGANISATION, or `grid:` in {self.path / FILE}"
        )


@asynccontextmanager
async def _market(
    network: NetworkFile, channel: str, organization: str, user: str
) -> AsyncIterator[ForwardMarket]:
    organizations = organizations_of(network.content, network.path, channel)
    async with connect_network_file(network.path, organization, user, timeouts=_TIMEOUTS) as gateway:
        contract = gateway.get_network(channel).get_contract(MARKET, FORWARD)
        yield ForwardMarket(contract, organizations, RETRY, passing=PASSING)


def open_folder(where: Path) -> Folder:
    """A community by its folder, or by its `community.yaml`. UsageError, ConfigurationError for what is none."""
    file = where / FILE if where.is_dir() else where
    if not file.exists():
        raise UsageError(f"{file} does not exist; name a community's folder, or its {FILE}")
    return Folder(file.parent, read_community_file(file))


def require_secrets(folder: Folder) -> None:
    """ConfigurationError unless `commonwatt community new` made the folder's secrets."""
    if not folder.codes_key.exists():
        raise ConfigurationError(
            f"{folder.codes_key} does not exist; `commonwatt community new {folder.path / FILE}` makes it"
        )
