# SPDX-License-Identifier: Apache-2.0
"""`experiment.yaml`: a setting, what of it is swept, and the seeds. Mistakes are named with their line."""

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from commonwatt_client.exit_codes import UsageError
from commonwatt_client.yaml_models import Location, named, parse_model, refuse, words_of
from pydantic import BaseModel, BeforeValidator, Field, ValidationError, model_validator

from commonwatt_loadgen.experiments.options import tariff_flaw
from commonwatt_loadgen.experiments.setting import ONLY_IN, Mistake, Setting
from commonwatt_loadgen.experiments.variants import MOST_VARIANTS, Variant, variants_of, with_value

Json = dict[str, Any]
MOST_RUNS = 100_000
LARGEST_SEED = 2**31
_EXPECTED = (
    "an experiment is a mapping with name, seeds, sweep, and what is simulated: days, homes, market and so on"
)


def _seeds(value: Any) -> Any:
    """`1-20` is a range."""
    found = re.fullmatch(r"(\d{1,10})\s*-\s*(\d{1,10})", value) if isinstance(value, str) else None
    if found is None:
        return value
    first, last = int(found[1]), int(found[2])
    if not first <= last < first + MOST_RUNS:
        raise ValueError(f"{value!r} is no range of at most {MOST_RUNS:,} seeds, as 1-20 is")
    return list(range(first, last + 1))


Seeds = Annotated[
    list[Annotated[int, Field(ge=0, lt=LARGEST_SEED)]],
    BeforeValidator(_seeds, json_schema_input_type=list[int] | str),
    Field(
        min_length=1, max_length=MOST_RUNS, description="each draws a community of its own; a list, or 1-20"
    ),
]


class ExperimentFile(Setting):
    """The file. `sweep` holds keys, dotted where they are nested, each with the values that it takes."""

    name: str = named(r"^[a-zA-Z0-9][a-zA-Z0-9_-]{0,59}$", "letters, digits, - and _")
    about: str = Field(default="", max_length=2_000)
    seeds: Seeds = Field(default=[1])
    sweep: dict[str, Annotated[list[Any], Field(min_length=1, max_length=1_000)]] = Field(
        default={}, description="every value with every other one: batteries.plan: [reserve, sell-all]"
    )
    tables: Literal["none", "csv", "parquet"] = Field(
        default="none",
        description="keep each run's homes, trades, rounds and bills; parquet: as CSV and Parquet",
    )

    @property
    def setting(self) -> Setting:
        """What all variants have in common."""
        return Setting.model_validate(
            {key: getattr(self, key) for key in Setting.model_fields if key in self.model_fields_set}
        )

    @property
    def variants(self) -> list[Variant]:
        """Every variant once; a key that does not count in a variant's market makes no variant of its own."""
        return variants_of(self.setting, self.sweep)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        refuse(self._mistakes_of_keys())
        refuse(dict.fromkeys(self._mistakes_of_variants()))
        return self

    def _mistakes_of_keys(self) -> Iterator[Mistake]:
        if len(set(self.seeds)) < len(self.seeds):
            yield "seeds: one stands there twice", ("seeds",)
        known = list(swept_keys(Setting))
        count = 1
        for path, values in self.sweep.items():
            count *= len(values)
            if path not in known:
                close = difflib.get_close_matches(path, known, n=1)
                hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
                yield f"sweep.{path}: no key of an experiment; {hint}", ("sweep", path)
                continue
            inside = next((one for one in self.sweep if one.startswith(f"{path}.")), None)
            if inside is not None:
                yield f"sweep.{inside}: is a part of {path}, which is swept too", ("sweep", inside)
            for number, value in enumerate(values):
                for told in _mistakes_of_value(self.setting, path, value):
                    yield told, ("sweep", path, number)
        if count > MOST_VARIANTS:
            yield f"sweep: makes {count:,} variants, of at most {MOST_VARIANTS:,}", ("sweep",)
        elif count * len(self.seeds) > MOST_RUNS:
            yield f"sweep: makes {count * len(self.seeds):,} runs, of at most {MOST_RUNS:,}", ("sweep",)

    def _mistakes_of_variants(self) -> Iterator[Mistake]:
        variants = self.variants
        markets = {one.setting.market for one in variants}
        for path, market in ONLY_IN.items():
            if market not in markets and (given := self._where(path)) is not None:
                yield f"{path}: counts in the market {market} alone", given
        for variant in variants:
            for told, place in variant.setting.mistakes():
                yield told, self._place(place, variant)
            if (flaw := tariff_flaw(variant.setting)) is not None:
                yield f"tariff: {flaw}", self._place(("tariff",), variant)

    def _where(self, path: str) -> Location | None:
        """Where the file states a key; None where it does not."""
        swept = next((one for one in self.sweep if one == path or one.startswith(f"{path}.")), None)
        if swept is not None:
            return ("sweep", swept)
        part: BaseModel = self
        *outer, last = path.split(".")
        for name in outer:
            if name not in part.model_fields_set:
                return None
            part = getattr(part, name)
        return tuple(path.split(".")) if last in part.model_fields_set else None

    def _place(self, place: Location, variant: Variant) -> Location:
        """Where the file states what stands at `place` of a variant's setting."""
        for depth in range(len(place), 0, -1):
            path = ".".join(map(str, place[:depth]))
            if path in variant.choices:
                number = next(
                    number for number, one in enumerate(self.sweep[path]) if one == variant.choices[path]
                )
                return ("sweep", path, number)
        return place


def swept_keys(model: type[BaseModel], before: str = "") -> Iterator[str]:
    """Every key of a setting that may be swept, nested ones dotted."""
    for name, field in model.model_fields.items():
        yield f"{before}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from swept_keys(field.annotation, f"{before}{name}.")


def read_experiment(path: Path) -> ExperimentFile:
    """The experiment in a YAML file. UsageError, of mistakes one line each: ``file:line: mistake``."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise UsageError(f"{path} cannot be read: {reason}") from error
    return parse_model(ExperimentFile, text, str(path), _EXPECTED)


def json_schema() -> Json:
    """The JSON Schema of `experiment.yaml`, for editors."""
    return ExperimentFile.model_json_schema()


def _mistakes_of_value(setting: Setting, path: str, value: Any) -> Iterator[str]:
    try:
        with_value(setting, {path: value})
    except ValidationError as error:
        for item in error.errors():
            place = ".".join(map(str, item["loc"]))
            words = "unknown key" if item["type"] == "extra_forbidden" else words_of(item)
            yield f"sweep.{path}: {place}: {words}"
