# SPDX-License-Identifier: Apache-2.0
"""Errors as Gateway clients see them: a gRPC status with one ErrorDetail per node that failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
from fabric_protos.gateway import gateway_pb2
from google.rpc import status_pb2

DETAIL_TYPE_URL = "type.googleapis.com/gateway.ErrorDetail"
LONGEST_DETAILS = 2 << 20  # characters of all messages together: clients take 16 MiB of headers, in Base64


class GatewayError(Exception):
    """A call fails with this gRPC status code, message and details (gateway.ErrorDetail messages)."""

    def __init__(self, code: grpc.StatusCode, message: str, details: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.details = tuple(details)


def error_detail(address: str, mspid: str, message: str) -> Any:
    return gateway_pb2.ErrorDetail(address=address, msp_id=mspid, message=message)


def trailing_metadata(error: GatewayError) -> tuple[tuple[str, bytes], ...]:
    """The `grpc-status-details-bin` trailer; empty for an error without details. Long messages are shortened."""
    if not error.details:
        return ()
    longest = LONGEST_DETAILS // (1 + len(error.details))
    status = status_pb2.Status(code=error.code.value[0], message=_shortened(str(error), longest))
    for detail in error.details:
        short = gateway_pb2.ErrorDetail()
        short.CopyFrom(detail)
        short.message = _shortened(detail.message, longest)
        status.details.add(type_url=DETAIL_TYPE_URL, value=short.SerializeToString())
    return (("grpc-status-details-bin", status.SerializeToString()),)


def _shortened(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    return f"{text[:longest]} ... (the first {longest} of {len(text)} characters)"
