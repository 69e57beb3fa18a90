# SPDX-License-Identifier: Apache-2.0
"""When transactions are meant to be sent: schedules of intended times, drawn once and known to every worker."""

import csv
import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from commonwatt_client.exit_codes import UsageError

SHAPES = (
    "constant:RATE",
    "poisson:RATE",
    "step:RATE,RATE,...",
    "ramp:FROM-TO",
    "spike:RATExFACTOR",
    "replay:FILE",
)

_RESOLUTION_S = 0.01
_ROUNDING = 1e-9


def intended_times(shape: str, duration_s: float, seed: int) -> list[float]:
    """Seconds from the start at which a transaction is to be sent, ascending; rates are per second.

    `step` holds each rate for an equal share of the time, `ramp` rises evenly. `spike` multiplies the rate in the
    middle fifth, `replay` takes the times in the first column of a CSV file.

    Raises:
        UsageError: the shape is none of `SHAPES`.
    """
    kind, _, text = shape.partition(":")
    try:
        if kind == "replay":
            return _replayed(Path(text), duration_s)
        if kind == "poisson":
            return list(_poisson(_rate(text), duration_s, seed))
        rate, highest = _rate_of(kind, text, duration_s)
    except ValueError as error:
        raise UsageError(f"--rate {shape}: is none of {', '.join(SHAPES)}") from error
    if not 0 < highest <= 1_000_000:
        raise UsageError(f"--rate {shape}: rates are above 0 and at most 1,000,000 per second")
    return list(_even(rate, duration_s))


def _rate_of(kind: str, text: str, duration_s: float) -> tuple[Callable[[float], float], float]:
    """The rate as a function of time, and the highest."""
    if kind == "constant":
        rate = _rate(text)
        return (lambda _: rate), rate
    if kind == "step":
        rates = [_rate(part) for part in text.split(",")]
        return (lambda t: rates[min(len(rates) - 1, int(t / duration_s * len(rates)))]), max(rates)
    if kind == "ramp":
        low, high = (_rate(part) for part in text.split("-"))
        return (lambda t: low + (high - low) * t / duration_s), max(low, high)
    if kind == "spike":
        base, factor = (_rate(part) for part in text.split("x"))
        return (lambda t: base * factor if 0.4 <= t / duration_s < 0.6 else base), base * max(1.0, factor)
    raise ValueError(kind)


def _rate(text: str) -> float:
    """A finite number, not below 0; raises ValueError for any other text."""
    number = float(text)
    if not 0 <= number < math.inf:
        raise ValueError(text)
    return number


def _even(rate: Callable[[float], float], duration_s: float) -> Iterator[float]:
    """The moments at which the integral of the rate passes a whole number."""
    due, total = 0, 0.0
    for place in range(math.ceil(duration_s / _RESOLUTION_S)):
        moment = place * _RESOLUTION_S
        now = rate(moment + _RESOLUTION_S / 2)
        while due < total + now * _RESOLUTION_S - _ROUNDING:
            yield moment + max(0.0, due - total) / now
            due += 1
        total += now * _RESOLUTION_S


def _poisson(rate: float, duration_s: float, seed: int) -> Iterator[float]:
    if not 0 < rate <= 1_000_000:
        raise ValueError(rate)
    draws = random.Random(seed)  # noqa: S311 - arrivals, not secrets
    moment = draws.expovariate(rate)
    while moment < duration_s:
        yield moment
        moment += draws.expovariate(rate)


def _replayed(path: Path, duration_s: float) -> list[float]:
    times = []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for line, fields in enumerate(csv.reader(file), 1):
                moment = _seconds(fields)
                if moment is not None:
                    times.append(moment)
                elif line > 1:
                    raise UsageError(f"{path}:{line}: no number of seconds in the first column")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, csv.Error) as error:
        raise UsageError(f"{path}: is no CSV file in UTF-8: {error}") from error
    first = min(times, default=0.0)
    return sorted(time - first for time in times if time - first < duration_s)


def _seconds(fields: list[str]) -> float | None:
    """The moment in the first column; None where it holds no finite number."""
    try:
        moment = float(fields[0])
    except (ValueError, IndexError):
        return None
    return moment if math.isfinite(moment) else None
