# SPDX-License-Identifier: Apache-2.0
"""Fabric's contract metadata: what ``org.hyperledger.fabric:GetMetadata`` answers.

The document is the one that Fabric's contract API describes (contract-schema.json), with JSON Schema for
arguments and results.
"""

import dataclasses
import enum
import types
from collections.abc import Mapping, Sequence
from typing import (
    Annotated,
    Any,
    Literal,
    NewType,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from .contract import Contract, Transaction

_SCHEMA = "https://hyperledger.github.io/fabric-chaincode-node/main/api/contract-schema.json"
_SCALARS: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    bytes: {"type": "string", "format": "binary"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    type(None): {"type": "null"},
    None: {"type": "null"},
    Any: {},
    object: {},
}


Schemas = dict[type, dict[str, Any]]
"""The classes that arguments and results are made of, in the order in which they were met."""


def contract_metadata(contracts: Sequence[Contract]) -> dict[str, Any]:
    """The metadata of a chaincode that holds these contracts; the first is its default."""
    schemas: Schemas = {}
    described = {
        contract.contract_name(): _contract(contract, contract is contracts[0], schemas)
        for contract in contracts
    }
    first = contracts[0]
    return {
        "$schema": _SCHEMA,
        "info": {"title": first.title or first.contract_name(), "version": first.version},
        "contracts": described,
        "components": {"schemas": {_name(kind, schemas): schema for kind, schema in schemas.items()}},
    }


def _contract(contract: Contract, default: bool, schemas: Schemas) -> dict[str, Any]:
    name = contract.contract_name()
    return {
        "name": name,
        "contractInstance": {"name": name, "default": default},
        "info": {"title": contract.title or name, "version": contract.version},
        "default": default,
        "transactions": [_transaction(entry, schemas) for entry in contract.transactions().values()],
    }


def _transaction(entry: Transaction, schemas: Schemas) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": entry.name,
        "tag": ["submit", "submitTx"] if entry.writes else ["evaluate"],
        "parameters": [
            {"name": parameter.name, "schema": json_schema(parameter.annotation, schemas)}
            | ({} if parameter.required else {"required": False})
            for parameter in entry.parameters
        ],
    }
    if entry.description:
        described["description"] = entry.description
    if entry.returns not in (None, type(None)):
        described["returns"] = json_schema(entry.returns, schemas)
    return described


def json_schema(annotation: Any, schemas: Schemas) -> dict[str, Any]:
    """The JSON Schema of an annotation; classes go into ``schemas`` and are referred to by name."""
    if isinstance(annotation, NewType):
        return json_schema(annotation.__supertype__, schemas)
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return json_schema(parts[0], schemas)
    if origin is Literal:
        return {"enum": list(parts)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [json_schema(part, schemas) for part in parts]}
    base = origin or annotation
    if base in (list, Sequence):
        return {"type": "array", "items": json_schema(parts[0] if parts else Any, schemas)}
    if base is tuple:
        if parts and parts[-1] is not Ellipsis:
            items = [json_schema(part, schemas) for part in parts]
            return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
        return {"type": "array", "items": json_schema(parts[0] if parts else Any, schemas)}
    if base in (dict, Mapping):
        return {"type": "object", "additionalProperties": json_schema(parts[1] if parts else Any, schemas)}
    if annotation in _SCALARS:
        return dict(_SCALARS[annotation])
    return _class(annotation, schemas)


def _class(kind: type, schemas: Schemas) -> dict[str, Any]:
    if issubclass(kind, enum.Enum):
        return {"enum": [member.value for member in kind]}
    if kind not in schemas:
        schemas[kind] = {}  # a class may refer to itself
        hints = get_type_hints(kind, include_extras=True)
        schemas[kind] = {
            "$id": _name(kind, schemas),
            "type": "object",
            "additionalProperties": False,
            "properties": {key: json_schema(_bare(hint), schemas) for key, hint in hints.items()},
            "required": sorted(_required(kind, hints)),
        }
    return {"$ref": f"#/components/schemas/{_name(kind, schemas)}"}


def _name(kind: type, schemas: Schemas) -> str:
    """A class's own name, with a number from the second class of that name on: two contracts may have one each."""
    same = [other for other in schemas if other.__name__ == kind.__name__]
    number = same.index(kind) + 1
    return kind.__name__ if number == 1 else f"{kind.__name__}{number}"


def _bare(hint: Any) -> Any:
    while get_origin(hint) is not None and getattr(get_origin(hint), "_name", None) in (
        "Required",
        "NotRequired",
    ):
        hint = get_args(hint)[0]
    return hint


def _required(kind: type, hints: Mapping[str, Any]) -> set[str]:
    if is_typeddict(kind):
        return set(getattr(kind, "__required_keys__", ()))
    if dataclasses.is_dataclass(kind):
        missing = dataclasses.MISSING
        return {
            f.name for f in dataclasses.fields(kind) if f.default is missing and f.default_factory is missing
        }
    return set(hints) - set(getattr(kind, "_field_defaults", ()))
