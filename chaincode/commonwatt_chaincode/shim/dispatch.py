# SPDX-License-Identifier: Apache-2.0
"""From the name that a caller gave to the contract's method, and from its result to the answer."""

import json
from collections.abc import Sequence
from typing import Any

from .arguments import plain
from .contract import METADATA_CONTRACT, Contract, Handler, Transaction, shortened
from .errors import Refusal
from .metadata import contract_metadata
from .results import Response
from .stub import Stub


def chaincode(*contracts: Contract) -> Handler:
    """One handler for several contracts; names without a colon belong to the first.

    Adds Fabric's ``org.hyperledger.fabric:GetMetadata``. The session answers for exceptions: a Refusal has status 400
    and ``code: sentence``. An error of the peer or of a called chaincode has 500 and its text, anything else 500 and
    the exception's name alone.
    """
    if not contracts:
        raise ValueError("a chaincode needs a contract")
    names = [contract.contract_name() for contract in contracts]
    if len(set(names)) != len(names):
        raise ValueError(f"two contracts have one name: {', '.join(names)}")
    known = {contract.contract_name(): (contract, contract.transactions()) for contract in contracts}
    default = names[0]
    metadata = encode_result(contract_metadata(contracts))

    async def handle(stub: Stub) -> Response:
        contract_name, _, name = stub.function.rpartition(":")
        if contract_name == METADATA_CONTRACT and name == "GetMetadata":
            return Response(200, payload=metadata)
        if (contract_name or default) not in known:
            raise Refusal("unknown_contract", f"this chaincode has no contract {shortened(contract_name)}")
        contract, transactions = known[contract_name or default]
        entry = transactions.get(name)
        if entry is None:
            return Response(200, payload=encode_result(await contract.unknown_transaction(stub, name)))
        for attribute, allowed in entry.requires.items():
            stub.creator.require(attribute, *([allowed] if isinstance(allowed, str) else allowed))
        values = _values(entry, stub.arguments[1:])
        await contract.before_transaction(stub, entry)
        result = await entry.call(stub, *values)
        await contract.after_transaction(stub, entry, result)
        return Response(200, payload=encode_result(result))

    return handle


def as_handler(program: Handler | Contract | Sequence[Contract]) -> Handler:
    """Whatever a server may be given, as the one function that it runs."""
    if isinstance(program, Contract):
        return chaincode(program)
    if isinstance(program, Sequence):
        return chaincode(*program)
    return program


def _values(entry: Transaction, arguments: Sequence[bytes]) -> list[Any]:
    required = sum(parameter.required for parameter in entry.parameters)
    if not required <= len(arguments) <= len(entry.parameters):
        wanted = ", ".join(parameter.name for parameter in entry.parameters) or "none"
        count = (
            f"{required}" if required == len(entry.parameters) else f"{required} to {len(entry.parameters)}"
        )
        raise Refusal(
            "bad_argument",
            f"{entry.name} takes {count} arguments ({wanted}), got {len(arguments)}",
        )
    return [
        parameter.read(argument, parameter.name)
        for parameter, argument in zip(entry.parameters, arguments, strict=False)
    ]


def encode_result(result: object) -> bytes:
    """A transaction's result as its payload: text and bytes as they are, None as nothing, else JSON."""
    if result is None:
        return b""
    if isinstance(result, bytes):
        return result
    if isinstance(result, str):
        return result.encode()
    return json.dumps(
        plain(result), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()
