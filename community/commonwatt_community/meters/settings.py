# SPDX-License-Identifier: Apache-2.0
"""The part `meter` of home.yaml: one model for each kind of meter."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Replay(_Part):
    """Replays a file; see `meters.replay`."""

    kind: Literal["replay"]
    file: str
    speed: Annotated[float, Field(gt=0, le=10_000)] = 1.0
    start: Annotated[
        str | None, Field(description="the time in the file, HH:MM, that passes when the home first runs")
    ] = None
    every_s: Annotated[float, Field(gt=0, le=3_600)] = 10.0


MeterSettings = Annotated[Replay, Field(discriminator="kind")]
