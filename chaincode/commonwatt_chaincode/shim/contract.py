# SPDX-License-Identifier: Apache-2.0
"""Contracts: classes whose marked methods are transactions with checked arguments.

    class Assets(Contract):
        @transaction
        async def create(self, stub: Stub, asset: Asset) -> None: ...

        @evaluate
        async def read(self, stub: Stub, id: str) -> Asset: ...

A caller names a transaction ``create``, or ``Assets:create`` where a chaincode holds several contracts.
``str`` and ``bytes`` arguments are taken as they come, all others as JSON that must fit the annotation. Results go the
same way: JSON has sorted keys and no spaces, so that every peer gives the same bytes.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, get_type_hints, overload

from .arguments import Reader, argument_reader
from .errors import Refusal
from .results import Response
from .stub import Stub

Handler = Callable[[Stub], Awaitable[Response]]
"""What a server runs for each transaction. Contracts become one by ``chaincode(...)``."""

Roles = Mapping[str, str | Sequence[str]]
"""Certificate attributes that a caller must have, each with the values allowed."""

_Method = TypeVar("_Method", bound=Callable[..., Awaitable[Any]])
_MARK = "__fabric_transaction__"
METADATA_CONTRACT = "org.hyperledger.fabric"
LONGEST_SHOWN = 80  # characters of an unknown name


@dataclass(frozen=True)
class _Mark:
    name: str | None
    writes: bool
    requires: Roles


@dataclass(frozen=True)
class Parameter:
    """One argument of a transaction: its name, its annotation, and how its bytes become a value."""

    name: str
    annotation: Any
    read: Reader
    required: bool


@dataclass(frozen=True)
class Transaction:
    """A marked method as callers see it."""

    name: str
    writes: bool
    requires: Roles
    parameters: tuple[Parameter, ...]
    returns: Any
    call: Callable[..., Awaitable[Any]]
    description: str


@overload
def transaction(method: _Method, /) -> _Method: ...
@overload
def transaction(
    *, name: str | None = None, requires: Roles | None = None
) -> Callable[[_Method], _Method]: ...
def transaction(method: Any = None, /, *, name: str | None = None, requires: Roles | None = None) -> Any:
    """Mark a method as a transaction that writes; bare, or as ``@transaction(requires={"role": "operator"})``.

    ``requires`` names certificate attributes and the values allowed; others are refused with ``forbidden``.
    """
    return _marked(method, _Mark(name, True, requires or {}))


@overload
def evaluate(method: _Method, /) -> _Method: ...
@overload
def evaluate(*, name: str | None = None, requires: Roles | None = None) -> Callable[[_Method], _Method]: ...
def evaluate(method: Any = None, /, *, name: str | None = None, requires: Roles | None = None) -> Any:
    """Mark a method as a query: the contract's metadata tells clients to evaluate it, not to submit it."""
    return _marked(method, _Mark(name, False, requires or {}))


query = evaluate


def _marked(method: Any, mark: _Mark) -> Any:
    def apply(function: Any) -> Any:
        setattr(function, _MARK, mark)
        return function

    return apply(method) if method is not None else apply


class Contract:
    """A namespace of transactions. ``name`` defaults to the class's own name."""

    name: str = ""
    version: str = "1.0.0"
    title: str = ""

    async def before_transaction(self, stub: Stub, transaction: Transaction) -> None:
        """Runs before each transaction, once its arguments are read; a Refusal ends it."""

    async def after_transaction(self, stub: Stub, transaction: Transaction, result: object) -> None:
        """Runs after each transaction that succeeded; a Refusal undoes it."""

    async def unknown_transaction(self, stub: Stub, name: str) -> object:
        """Runs for a name that no method has; by default a Refusal."""
        raise Refusal(
            "unknown_transaction", f"contract {self.contract_name()} has no transaction {shortened(name)}"
        )

    def __init_subclass__(cls, **options: Any) -> None:
        """TypeError for a transaction that callers could not name, or that would replace what every contract has."""
        super().__init_subclass__(**options)
        seen: dict[str, str] = {}
        for attribute in _definition_order(cls):
            mark = getattr(getattr(cls, attribute, None), _MARK, None)
            if not isinstance(mark, _Mark):
                continue
            where, name = f"{cls.__qualname__}.{attribute}", mark.name or attribute
            if attribute in RESERVED:
                raise TypeError(
                    f"{where} would replace what every contract has by this name; call the method otherwise, for "
                    f'example with @transaction(name="{attribute}")'
                )
            if not name or ":" in name:
                raise TypeError(
                    f"{where}: callers cannot name the transaction {name!r}: a colon ends a contract's name"
                )
            if name in seen:
                raise TypeError(
                    f"{where}: {seen[name]} is the transaction {name} already; give one another name"
                )
            seen[name] = attribute
        if ":" in cls.contract_name() or cls.contract_name() == METADATA_CONTRACT:
            raise TypeError(
                f"{cls.__qualname__}: the contract's name {cls.contract_name()!r} is reserved; take another"
            )

    @classmethod
    def contract_name(cls) -> str:
        """The name that callers put before the colon."""
        return cls.name or cls.__name__

    def transactions(self) -> dict[str, Transaction]:
        """Every marked method by its transaction name, in order of definition.

        TypeError for a wrong signature.
        """
        found: dict[str, Transaction] = {}
        for attribute in _definition_order(type(self)):
            mark = getattr(getattr(type(self), attribute), _MARK, None)
            if isinstance(mark, _Mark):
                entry = _described(getattr(self, attribute), mark)
                found[entry.name] = entry
        return found


RESERVED = frozenset(name for name in vars(Contract) if not name.startswith("__"))


def shortened(name: str) -> str:
    """A name that a caller gave, for an answer to it: cut where it is long."""
    return name if len(name) <= LONGEST_SHOWN else f"{name[:LONGEST_SHOWN]}..."


def _definition_order(kind: type) -> Iterable[str]:
    names: dict[str, None] = {}
    for base in reversed(kind.__mro__):
        names.update(dict.fromkeys(vars(base)))
    return names


def _described(method: Callable[..., Awaitable[Any]], mark: _Mark) -> Transaction:
    where = method.__qualname__
    if not inspect.iscoroutinefunction(method):
        raise TypeError(f"{where} is a transaction and must be an async method")
    hints = get_type_hints(method, include_extras=True)
    declared = list(inspect.signature(method).parameters.values())
    if not declared:
        raise TypeError(f"{where} is a transaction and must take the stub")
    parameters = []
    for parameter in declared[1:]:
        if parameter.kind is not parameter.POSITIONAL_OR_KEYWORD or parameter.name not in hints:
            raise TypeError(f"{where}: argument {parameter.name} needs an annotation and a plain place")
        annotation = hints[parameter.name]
        required = parameter.default is parameter.empty
        parameters.append(Parameter(parameter.name, annotation, argument_reader(annotation), required))
    return Transaction(
        name=mark.name or method.__name__,
        writes=mark.writes,
        requires=mark.requires,
        parameters=tuple(parameters),
        returns=hints.get("return", None),
        call=method,
        description=inspect.getdoc(method) or "",
    )
