# SPDX-License-Identifier: Apache-2.0
"""Responses of system chaincode."""

from __future__ import annotations

from typing import Any

from fabric_protos.peer import proposal_response_pb2


def success(payload: bytes = b"") -> Any:
    return proposal_response_pb2.Response(status=200, payload=payload)


def failure(message: str, status: int = 500) -> Any:
    return proposal_response_pb2.Response(status=status, message=message)
