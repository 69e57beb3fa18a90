# SPDX-License-Identifier: Apache-2.0
"""The portal's settings, from a file that the operator writes.

::

    community: Newtown
    co2:
      g_per_kwh: 660
      source: Australian National Greenhouse Accounts Factors 2024, NSW, scope 2
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import yaml
from commonwatt_client.errors import ConfigurationError
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from .summary import Co2Factor

LARGEST_BYTES = 65_536


@dataclass(frozen=True)
class PortalSettings:
    """The community's name (empty: the channel's), and the factor of CO2; without one no CO2 is shown."""

    community: str = ""
    co2: Co2Factor | None = None


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Co2(_Part):
    g_per_kwh: Annotated[int, Field(ge=0, le=5_000)]
    source: Annotated[str, StringConstraints(min_length=5, max_length=200)]


class _File(_Part):
    community: Annotated[str, StringConstraints(max_length=60)] = ""
    co2: _Co2 | None = None


def read_portal_settings(path: Path) -> PortalSettings:
    """Settings from YAML. ConfigurationError for a file that cannot be read or holds something else."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > LARGEST_BYTES:
        raise ConfigurationError(
            f"{path} is larger than {LARGEST_BYTES} bytes; it holds the portal's settings alone"
        )
    try:
        found = _File.model_validate(yaml.safe_load(content) or {})
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is no YAML: {str(error).splitlines()[0]}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"])) or "its start"
        raise ConfigurationError(
            f"{path}, {place}: {first['msg']}; it takes community, co2.g_per_kwh, co2.source"
        ) from None
    factor = Co2Factor(found.co2.g_per_kwh, found.co2.source) if found.co2 else None
    return PortalSettings(found.community, factor)
