# SPDX-License-Identifier: Apache-2.0
"""The operator at its community's service: it logs in by its message key, as the author under its MSP id."""

from dataclasses import dataclass

from commonwatt_client.errors import ConfigurationError
from commonwatt_client.network_file import NetworkFile

from commonwatt_community.api import ServiceClient
from commonwatt_community.founding.folder import Folder
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.signing_key import load_key


@dataclass(frozen=True)
class LogsInAlone:
    """In place of a journal, for an author who says only who it is."""

    def highest_seq(self, net: str, channel: str, home: str, period: int, kind: str) -> int:
        """Nothing was said."""
        return 0

    def write(self, compact: bytes) -> None:
        """ConfigurationError: this author does not speak for a meter."""
        raise ConfigurationError(
            "this program logs in with the operator's key, and says nothing else with it"
        )


def service_of(folder: Folder, network: NetworkFile, net: str) -> ServiceClient | None:
    """The community's service as its operator calls it; None where the community has none.

    ConfigurationError for a certificate or a key that cannot be read.
    """
    described = folder.community.service
    if described is None:
        return None
    certificate = folder.path / described.certificate
    try:
        authority = certificate.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"the service's certificate {certificate} cannot be read: {error.strerror}"
        ) from error
    key = load_key(folder.operator_key)
    author = Author(key, LogsInAlone(), net, folder.community.channel, folder.mspid(network))
    return ServiceClient(described.url, authority, author)
