# SPDX-License-Identifier: Apache-2.0
"""JSON arguments checked against Python annotations, and results turned back into JSON values.

Understood: None, bool, int, float, str, Any, Literal, Enum, Optional and Union, list, tuple, dict[str, ...],
dataclasses, TypedDicts and NamedTuples of these, NewType and Annotated around them. Unknown members are
refused, so that a caller's misspelling is never silently dropped.
"""

import dataclasses
import enum
import json
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin, get_type_hints, is_typeddict

from .errors import Refusal

Reader = Callable[[bytes, str], Any]
"""Turns an argument's bytes into its value; the second argument is its name, for the refusal."""

Check = Callable[[Any, str], Any]
"""Turns a JSON value into a Python value; the second argument says where it stands."""


def argument_reader(annotation: Any) -> Reader:
    """The reader of one annotated argument. TypeError for an annotation that JSON cannot fit."""
    if annotation is bytes:
        return lambda argument, _: argument
    if annotation is str:
        return _read_text
    check = checker(annotation)

    def read(argument: bytes, name: str) -> Any:
        return check(_decode(argument, name), name)

    return read


def _read_text(argument: bytes, name: str) -> str:
    try:
        return argument.decode()
    except UnicodeDecodeError:
        raise Refusal("bad_argument", f"{name} is not UTF-8 text") from None


def _decode(argument: bytes, name: str) -> Any:
    try:
        value = json.loads(argument, object_pairs_hook=_unique, parse_constant=_no_constant)
        if b"\\ud" in argument.lower():  # a lone surrogate is no text: it could not be written anywhere
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except (ValueError, RecursionError) as error:
        raise Refusal("bad_argument", f"{name} is not JSON: {str(error)[:120]}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice in one object")
    return members


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a JSON number")


def checker(annotation: Any) -> Check:
    """The check of one annotation, built once."""
    if annotation is Any or annotation is object:
        return lambda value, _: value
    if annotation is None or annotation is type(None):
        return _exact(type(None), "null")
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    if isinstance(annotation, NewType):
        return checker(annotation.__supertype__)
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return checker(parts[0])
    if origin is Literal:
        return _literal(parts)
    if origin in (Union, types.UnionType):
        return _union([checker(part) for part in parts], annotation)
    if (origin or annotation) in (list, Sequence):
        return _list(checker(parts[0] if parts else Any), list)
    if (origin or annotation) is tuple:
        return _tuple(parts)
    if (origin or annotation) in (dict, Mapping):
        if parts and parts[0] is not str:
            raise TypeError(f"{annotation}: the keys of a JSON object are text")
        return _mapping(checker(parts[1] if parts else Any))
    if isinstance(annotation, type):
        return _class(annotation)
    raise TypeError(f"{annotation} is not an annotation that a JSON argument can fit")


def _class(kind: type) -> Check:
    if issubclass(kind, enum.Enum):
        return _enumeration(kind)
    hints = get_type_hints(kind, include_extras=True)
    if dataclasses.is_dataclass(kind):
        fields = [field for field in dataclasses.fields(kind) if field.init]
        optional = {
            field.name
            for field in fields
            if field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        }
        return _members({field.name: checker(hints[field.name]) for field in fields}, optional, kind)
    if is_typeddict(kind):
        names = {name: checker(_without_qualifiers(hint)) for name, hint in hints.items()}
        return _members(names, set(getattr(kind, "__optional_keys__", ())), dict)
    if issubclass(kind, tuple) and hasattr(kind, "_field_defaults"):
        return _members(
            {name: checker(hint) for name, hint in hints.items()}, set(kind._field_defaults), kind
        )
    raise TypeError(f"{kind.__qualname__} is not a class that a JSON argument can fit")


def _without_qualifiers(hint: Any) -> Any:
    while getattr(get_origin(hint), "_name", None) in ("Required", "NotRequired", "ReadOnly"):
        hint = get_args(hint)[0]
    return hint


def _refuse(where: str, wanted: str, value: Any) -> Refusal:
    return Refusal("bad_argument", f"{where} must be {wanted}, got {json_kind(value)}")


def json_kind(value: Any) -> str:
    """What JSON calls a value's kind; the value itself may be a secret or huge, and is never repeated."""
    kinds = {type(None): "null", bool: "a boolean", int: "an integer", float: "a number", str: "a string"}
    return kinds.get(type(value), "an array" if isinstance(value, list) else "an object")


def _exact(kind: type, wanted: str) -> Check:
    def check(value: Any, where: str) -> Any:
        if type(value) is not kind:
            raise _refuse(where, wanted, value)
        return value

    return check


def _number(value: Any, where: str) -> float:
    if type(value) not in (int, float):
        raise _refuse(where, "a number", value)
    try:
        return float(value)
    except OverflowError:
        raise Refusal("bad_argument", f"{where} is too large a number") from None


_SCALARS: dict[Any, Check] = {
    bool: _exact(bool, "a boolean"),
    int: _exact(int, "an integer"),
    str: _exact(str, "a string"),
    float: _number,
}


def _literal(allowed: tuple[Any, ...]) -> Check:
    def check(value: Any, where: str) -> Any:
        for choice in allowed:
            if type(choice) is type(value) and choice == value:
                return choice
        raise Refusal("bad_argument", f"{where} must be one of {', '.join(map(repr, allowed))}")

    return check


def _enumeration(kind: type[enum.Enum]) -> Check:
    choices = {(type(member.value), member.value): member for member in kind}
    wanted = ", ".join(repr(member.value) for member in kind)

    def check(value: Any, where: str) -> Any:
        if isinstance(value, (list, dict)) or (type(value), value) not in choices:
            raise Refusal("bad_argument", f"{where} must be one of {wanted}")
        return choices[type(value), value]

    return check


def _union(checks: list[Check], annotation: Any) -> Check:
    def check(value: Any, where: str) -> Any:
        refusals = []
        for one in checks:
            try:
                return one(value, where)
            except Refusal as refusal:
                refusals.append(refusal.sentence)
        raise Refusal("bad_argument", "; or ".join(dict.fromkeys(refusals)))

    return check


def _list(check_item: Check, build: Callable[[list[Any]], Any]) -> Check:
    def check(value: Any, where: str) -> Any:
        if type(value) is not list:
            raise _refuse(where, "an array", value)
        return build([check_item(item, f"{where}[{index}]") for index, item in enumerate(value)])

    return check


def _tuple(parts: tuple[Any, ...]) -> Check:
    if not parts or (len(parts) == 2 and parts[1] is Ellipsis):
        return _list(checker(parts[0] if parts else Any), tuple)
    checks = [checker(part) for part in parts]

    def check(value: Any, where: str) -> Any:
        if type(value) is not list or len(value) != len(checks):
            raise _refuse(where, f"an array of {len(checks)}", value)
        return tuple(
            one(item, f"{where}[{i}]") for i, (one, item) in enumerate(zip(checks, value, strict=True))
        )

    return check


def _mapping(check_value: Check) -> Check:
    def check(value: Any, where: str) -> Any:
        if type(value) is not dict:
            raise _refuse(where, "an object", value)
        return {key: check_value(item, f"{where}.{key}") for key, item in value.items()}

    return check


def _members(checks: dict[str, Check], optional: set[str], build: Callable[..., Any]) -> Check:
    required = [name for name in checks if name not in optional]

    def check(value: Any, where: str) -> Any:
        if type(value) is not dict:
            raise _refuse(where, "an object", value)
        for name in required:
            if name not in value:
                raise Refusal("bad_argument", f"{where}.{name} is missing")
        for name in value:
            if name not in checks:
                raise Refusal("bad_argument", f"{where} has an unknown member {name[:80]}")
        members = {name: checks[name](item, f"{where}.{name}") for name, item in value.items()}
        try:
            return build(**members)
        except ValueError as error:  # a dataclass that checks itself
            raise Refusal("bad_argument", f"{where}: {error}") from None

    return check


def plain(value: Any) -> Any:
    """A result as values that JSON has: dataclasses and NamedTuples as objects, enumerations by value."""
    if value is None or (isinstance(value, (bool, str, int, float)) and not isinstance(value, enum.Enum)):
        return value
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: plain(item) for name, item in value._asdict().items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    raise TypeError(f"a transaction's result holds a {type(value).__qualname__}, which JSON has not")
