# SPDX-License-Identifier: Apache-2.0
"""The end of a call at its deadline, under whichever of two statuses gRPC reports it."""

import grpc

_TIMERS_APART_S = 0.1
"""How much earlier than the client's timer a peer's may fire: both count from when they saw the call."""


def status_at_the_end(status: grpc.StatusCode, elapsed_s: float, timeout_s: float | None) -> grpc.StatusCode:
    """The status of a call or stream that failed, with CANCELLED read as DEADLINE_EXCEEDED at its deadline.

    A peer keeps the deadline too and resets the stream then (HTTP/2's CANCEL). Where that arrives before the
    client's own timer has fired, gRPC reports CANCELLED; the client itself cancels no call this way.
    """
    if status is not grpc.StatusCode.CANCELLED or timeout_s is None:
        return status
    if elapsed_s < timeout_s - min(_TIMERS_APART_S, timeout_s / 10):
        return status
    return grpc.StatusCode.DEADLINE_EXCEEDED
