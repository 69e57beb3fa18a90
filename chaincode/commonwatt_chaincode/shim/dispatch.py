"""From the name that a caller gave to the contract's method, and from its result to the answer."""

import json
import logging
from collections.abc import Sequence
from typing import Any

from .arguments import plain
from .contract import Contract, Handler, Transaction
from .errors import ChaincodeCallError, PeerError, Refusal, StreamClosed
from .metadata import contract_metadata
from .results import Response
from .stub import Stub

log = logging.getLogger(__name__)


def chaincode(*contracts: Contract) -> Handler:
    """One handler for several contracts; names without a colon belong to the first.

    Adds Fabric's ``org.hyperledger.fabric:GetMetadata``. A Refusal answers 400 with ``code: sentence``; an error
    of the peer or of a called chaincode answers 500 with its text; any other exception is logged here with its
    traceback and answers 500 with the transaction's name alone.
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
        if contract_name == "org.hyperledger.fabric" and name == "GetMetadata":
            return Response(200, payload=metadata)
        try:
            if (contract_name or default) not in known:
                raise Refusal("unknown_contract", f"this chaincode has no contract {contract_name}")
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
        except Refusal as refusal:
            return Response(refusal.status, str(refusal))
        except (PeerError, ChaincodeCallError) as error:
            return Response(500, str(error))
        except StreamClosed:
            raise
        except Exception:
            log.exception("transaction %s failed: %s", stub.transaction_id[:12], stub.function[:80])
            return Response(500, f"{stub.function[:80]} failed inside the chaincode; its log says why")

    return handle


def _values(entry: Transaction, arguments: Sequence[bytes]) -> list[Any]:
    required = sum(parameter.required for parameter in entry.parameters)
    if not required <= len(arguments) <= len(entry.parameters):
        wanted = ", ".join(parameter.name for parameter in entry.parameters) or "none"
        raise Refusal(
            "bad_argument",
            f"{entry.name} takes {required or 'no'} arguments ({wanted}), got {len(arguments)}",
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
