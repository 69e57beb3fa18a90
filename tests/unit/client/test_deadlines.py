# SPDX-License-Identifier: Apache-2.0
"""How a call ends that its peer resets at the deadline."""

import grpc
import pytest
from commonwatt_client._deadlines import status_at_the_end

CANCELLED, LATE = grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    ("elapsed_s", "timeout_s", "read_as"),
    [
        (5.0, 5.0, LATE),
        (4.91, 5.0, LATE),
        (4.5, 5.0, CANCELLED),
        (0.46, 0.5, LATE),
        (0.4, 0.5, CANCELLED),
        (60.0, None, CANCELLED),
    ],
)
def test_cancelled_is_a_deadline_only_near_it(
    elapsed_s: float, timeout_s: float | None, read_as: grpc.StatusCode
) -> None:
    assert status_at_the_end(CANCELLED, elapsed_s, timeout_s) is read_as


def test_other_ends_stay_what_they_are() -> None:
    unavailable = grpc.StatusCode.UNAVAILABLE
    assert status_at_the_end(unavailable, 5.0, 5.0) is unavailable
