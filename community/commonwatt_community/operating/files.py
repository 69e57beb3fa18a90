# SPDX-License-Identifier: Apache-2.0
"""`tariff.yaml` and `envelopes.yaml`: the files that the operator is to publish, and which version each of them
replaces."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

from commonwatt_chaincode.market.forward.envelopes import Envelope
from commonwatt_chaincode.market.forward.periods import Offsets, offset_at
from commonwatt_chaincode.market.tariff import MINUTE_S
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.yaml_models import parse_model
from pydantic import BaseModel, Field, TypeAdapter, ValidationError, field_validator

from commonwatt_community.founding.community_file import EPOCH, Part, TariffFile

Json = dict[str, Any]


class NewTariffFile(Part):
    """A tariff, from which local day it counts, and the version of the configuration that it replaces."""

    replaces: int = Field(ge=1)
    from_date: date | None = None
    tariff: TariffFile
    holidays: list[date] = Field(default_factory=list, max_length=400)

    @property
    def from_day(self) -> int | None:
        """The local day from which it counts; None: the first whose window is not open."""
        return None if self.from_date is None else (self.from_date - EPOCH).days

    def argument(self) -> Json:
        """The members of `configure`, but for ``replaces``."""
        from_day = {} if self.from_day is None else {"from_day": self.from_day}
        holidays = [(one - EPOCH).days for one in self.holidays]
        return {
            "tariff": {**self.tariff.argument(), **from_day},
            **({"holidays": holidays} if holidays else {}),
        }


class EnvelopeFile(Part):
    """What a home, or every one, may import and export from one local time until before another."""

    from_local: str
    to_local: str
    home: str | None = None
    import_w: int | None = Field(default=None, ge=0)
    export_w: int | None = Field(default=None, ge=0)

    @field_validator("from_local", "to_local")
    @classmethod
    def _is_a_local_time(cls, value: str) -> str:
        try:
            found = _TIME.validate_python(value)
        except ValidationError:
            raise ValueError('takes a local time such as "2027-01-31T16:00"') from None
        if found.tzinfo is not None or found.second or found.microsecond:
            raise ValueError('takes a local time of whole minutes without a zone, such as "2027-01-31T16:00"')
        return value

    def envelope(self, offsets: Offsets) -> Envelope:
        """As the ledger has it, but for when it was published."""
        from_period, to_period = (local_minute(one, offsets) for one in (self.from_local, self.to_local))
        return Envelope(self.home, from_period, to_period, self.import_w, self.export_w, 0)


class EnvelopesFile(Part):
    """Envelopes, and when the newest one was published that their author had seen: they replace none that is newer."""

    replaces_published_s: int = Field(default=0, ge=0)
    envelopes: list[EnvelopeFile] = Field(min_length=1, max_length=1_000)


Model = TypeVar("Model", bound=BaseModel)

_TIME = TypeAdapter(datetime)


def local_minute(local: str, offsets: Offsets) -> int:
    """The epoch minute of a local time; of one that comes twice the later, of one that is leapt over the time after."""
    as_if_utc = int(_TIME.validate_python(local).replace(tzinfo=UTC).timestamp())
    time_s = as_if_utc - offset_at(as_if_utc, offsets) * MINUTE_S
    return (as_if_utc - offset_at(time_s, offsets) * MINUTE_S) // MINUTE_S


def read_tariff_file(path: Path) -> NewTariffFile | None:
    """The file; None where there is none. UsageError with ``file:line: mistake``."""
    return _read(NewTariffFile, path, "a tariff file is a mapping with replaces and tariff")


def read_envelopes_file(path: Path) -> EnvelopesFile | None:
    """The file; None where there is none. UsageError with ``file:line: mistake``."""
    return _read(EnvelopesFile, path, "an envelopes file is a mapping with envelopes")


def _read(model: type[Model], path: Path, expected: str) -> Model | None:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise UsageError(f"{path} cannot be read: {reason}") from error
    return parse_model(model, text, str(path), expected)
