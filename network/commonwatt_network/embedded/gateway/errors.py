"""Errors as Gateway clients see them: a gRPC status with one ErrorDetail per node that failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
from fabric_protos.gateway import gateway_pb2
from google.protobuf import any_pb2
from google.rpc import status_pb2

DETAIL_TYPE_URL = "type.googleapis.com/gateway.ErrorDetail"


class GatewayError(Exception):
    """A call fails with this gRPC status code, message and details (gateway.ErrorDetail messages)."""

    def __init__(self, code: grpc.StatusCode, message: str, details: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.details = tuple(details)


def error_detail(address: str, mspid: str, message: str) -> Any:
    return gateway_pb2.ErrorDetail(address=address, msp_id=mspid, message=message)


def trailing_metadata(error: GatewayError) -> tuple[tuple[str, bytes], ...]:
    """The `grpc-status-details-bin` trailer; none where there are no details."""
    if not error.details:
        return ()
    packed = [
        any_pb2.Any(type_url=DETAIL_TYPE_URL, value=detail.SerializeToString()) for detail in error.details
    ]
    status = status_pb2.Status(code=error.code.value[0], message=str(error), details=packed)
    return (("grpc-status-details-bin", status.SerializeToString()),)
