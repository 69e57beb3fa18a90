# SPDX-License-Identifier: Apache-2.0
"""How `_lifecycle` keeps structures in state: one key per field and one for the structure's metadata.

`namespaces/metadata/<name>` lists the fields, `namespaces/fields/<name>/<Field>` hold one StateData each. Names,
types and order of the fields are part of the ledger's format, for organisations compare hashes of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from fabric_protos.peer import collection_pb2
from fabric_protos.peer.lifecycle import chaincode_definition_pb2, db_pb2
from google.protobuf.message import DecodeError

NAMESPACES = "namespaces"
SOURCES = "chaincode-sources"

Read = Callable[[str], bytes | None]
Write = Callable[[str, bytes], None]

Field = int | str | bytes


class RecordError(Exception):
    """What state holds under `_lifecycle` cannot be read as what it should be."""


@dataclass(frozen=True)
class Parameters:
    """What organisations agree on, as the serialized messages that are compared."""

    endorsement_info: bytes
    validation_info: bytes
    collections: bytes

    @property
    def version(self) -> str:
        return str(
            chaincode_definition_pb2.ChaincodeEndorsementInfo.FromString(self.endorsement_info).version
        )

    @property
    def endorsement(self) -> Any:
        return chaincode_definition_pb2.ChaincodeEndorsementInfo.FromString(self.endorsement_info)

    @property
    def validation(self) -> Any:
        return chaincode_definition_pb2.ChaincodeValidationInfo.FromString(self.validation_info)

    @property
    def collection_package(self) -> Any:
        return collection_pb2.CollectionConfigPackage.FromString(self.collections)

    def collection(self, name: str) -> Any | None:
        """The StaticCollectionConfig of that name."""
        for config in self.collection_package.config:
            if config.static_collection_config.name == name:
                return config.static_collection_config
        return None

    def record(self) -> Record:
        fields: dict[str, Field] = {
            "EndorsementInfo": self.endorsement_info,
            "ValidationInfo": self.validation_info,
            "Collections": self.collections,
        }
        return Record("ChaincodeParameters", fields)


@dataclass(frozen=True)
class Definition:
    """A chaincode's committed definition."""

    sequence: int
    parameters: Parameters

    def record(self) -> Record:
        return Record("ChaincodeDefinition", {"Sequence": self.sequence, **self.parameters.record().fields})


@dataclass(frozen=True)
class Record:
    """A structure's type name and its fields in order."""

    type_name: str
    fields: Mapping[str, Field]

    def metadata(self) -> bytes:
        encoded: bytes = db_pb2.StateMetadata(datatype=self.type_name, fields=self.fields).SerializeToString()
        return encoded


def package_record(package_id: str) -> Record:
    return Record("ChaincodeLocalPackage", {"PackageID": package_id})


def metadata_key(namespace: str, name: str) -> str:
    return f"{namespace}/metadata/{name}"


def field_key(namespace: str, name: str, field: str) -> str:
    return f"{namespace}/fields/{name}/{field}"


def _encode(value: Field) -> bytes:
    data = db_pb2.StateData()
    if isinstance(value, int):
        data.Int64 = value
    elif isinstance(value, str):
        data.String = value
    else:
        data.Bytes = value
    encoded: bytes = data.SerializeToString()
    return encoded


def write_record(namespace: str, name: str, record: Record, read: Read, write: Write) -> None:
    """Write what differs from what is there; fields that a former type had are deleted."""
    existing = read_metadata(namespace, name, read) or db_pb2.StateMetadata()
    present = {field_key(namespace, name, field): None for field in existing.fields}
    values = {key: read(key) for key in present}
    for field, value in record.fields.items():
        key, encoded = field_key(namespace, name, field), _encode(value)
        if key not in values or values[key] != encoded:
            write(key, encoded)
        values.pop(key, None)
    if values or record.type_name != existing.datatype or len(existing.fields) != len(record.fields):
        write(metadata_key(namespace, name), record.metadata())
    for key in values:
        write(key, b"")


def mismatches(namespace: str, name: str, record: Record, read_hash: Read) -> list[str]:
    """The fields in which hashed state differs from `record`; the type's name where nothing of it is there."""
    keys = [metadata_key(namespace, name)]
    keys += [field_key(namespace, name, field) for field in record.fields]
    hashes = [read_hash(key) for key in keys]
    if hashes[0] != sha256(record.metadata()).digest():
        return [record.type_name]
    return [
        field
        for (field, value), found in zip(record.fields.items(), hashes[1:], strict=True)
        if found != sha256(_encode(value)).digest()
    ]


def read_metadata(namespace: str, name: str, read: Read) -> Any | None:
    encoded = read(metadata_key(namespace, name))
    if encoded is None:
        return None
    try:
        return db_pb2.StateMetadata.FromString(encoded)
    except DecodeError as error:
        raise RecordError(
            f"could not unmarshal metadata for namespace {namespace}/{name}: {error}"
        ) from error


def _read_field(namespace: str, name: str, field: str, read: Read) -> Any:
    encoded = read(field_key(namespace, name, field))
    try:
        return db_pb2.StateData.FromString(encoded or b"")
    except DecodeError as error:
        key = field_key(namespace, name, field)
        raise RecordError(f"could not unmarshal state for key {key}: {error}") from error


def read_sequence(name: str, read: Read) -> int:
    """The committed sequence of a chaincode; 0 where it has no definition."""
    return int(_read_field(NAMESPACES, name, "Sequence", read).Int64)


def read_parameters(name: str, read: Read) -> Parameters:
    """The three agreed fields of a definition (name) or an approval (name#sequence)."""
    return Parameters(
        endorsement_info=_read_field(NAMESPACES, name, "EndorsementInfo", read).Bytes,
        validation_info=_read_field(NAMESPACES, name, "ValidationInfo", read).Bytes,
        collections=_read_field(NAMESPACES, name, "Collections", read).Bytes,
    )


def read_definition(name: str, read: Read) -> Definition | None:
    """A chaincode's committed definition, None where it has none. Reads the keys that a real peer reads."""
    metadata = read_metadata(NAMESPACES, name, read)
    if metadata is None:
        return None
    if metadata.datatype != "ChaincodeDefinition":
        raise RecordError(f"not a chaincode type: {metadata.datatype}")
    return Definition(read_sequence(name, read), read_parameters(name, read))


def read_package_id(private_name: str, read: Read) -> str | None:
    """The package that an organisation has approved under `name#sequence`; empty if it named none."""
    if read_metadata(SOURCES, private_name, read) is None:
        return None
    return str(_read_field(SOURCES, private_name, "PackageID", read).String)
