# SPDX-License-Identifier: Apache-2.0
"""Contracts: names, arguments that fit their annotations, roles, hooks, results, metadata."""

import enum
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict

import pytest
from commonwatt_chaincode.shim import Contract, Refusal, Stub, chaincode, evaluate, transaction
from commonwatt_chaincode.shim.testing import MemoryLedger, caller


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Point(NamedTuple):
    x: int
    y: int = 0


class Options(TypedDict):
    limit: int
    note: NotRequired[str]


@dataclass(frozen=True)
class Asset:
    id: str
    size_wh: int
    colour: Colour = Colour.RED
    path: tuple[Point, ...] = ()
    owner: str | None = None

    def __post_init__(self) -> None:
        if self.size_wh < 0:
            raise ValueError("size_wh may not be negative")


class Assets(Contract):
    """Things that have a size."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    @transaction
    async def create(self, stub: Stub, asset: Asset) -> Asset:
        """Keep an asset."""
        return asset

    @transaction(name="renameAsset", requires={"role": ("operator", "grid"), "level": "high"})
    async def rename(self, stub: Stub, id: str, name: str = "unnamed") -> list[str]:
        return [id, name]

    @evaluate
    async def take(
        self, stub: Stub, number: int, ratio: float, options: Options, kind: Literal["a", 1]
    ) -> list[Any]:
        return [number, ratio, options, kind]

    @evaluate
    async def raw(self, stub: Stub, data: bytes) -> bytes:
        return data[::-1]

    @evaluate
    async def mapping(self, stub: Stub) -> dict[str, Any]:
        return {"b": 1, "a": [True, None, "é"]}

    @evaluate
    async def lower(self, stub: Stub) -> float:
        return float("nan")

    async def before_transaction(self, stub: Stub, transaction: Any) -> None:
        self.seen.append(f"before {transaction.name}")

    async def after_transaction(self, stub: Stub, transaction: Any, result: object) -> None:
        self.seen.append(f"after {transaction.name}")


class Second(Contract):
    name = "org.second"

    @evaluate
    async def hello(self, stub: Stub) -> str:
        return "hello"

    async def unknown_transaction(self, stub: Stub, name: str) -> object:
        return f"no {name} here"


@pytest.fixture
def contract() -> Assets:
    return Assets()


@pytest.fixture
def assets(contract: Assets) -> MemoryLedger:
    return MemoryLedger(chaincode(contract, Second()))


async def test_a_json_argument_becomes_its_dataclass_and_back(assets: MemoryLedger) -> None:
    argument = {"id": "a", "size_wh": 3, "colour": "green", "path": [{"x": 1}], "owner": None}
    done = await assets.submit("create", argument)
    expected = b'{"colour":"green","id":"a","owner":null,"path":[{"x":1,"y":0}],"size_wh":3}'
    assert done.payload == expected


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ({"id": "a"}, "asset.size_wh is missing"),
        ({"id": "a", "size_wh": "3"}, "asset.size_wh must be an integer, got a string"),
        ({"id": "a", "size_wh": True}, "asset.size_wh must be an integer, got a boolean"),
        ({"id": "a", "size_wh": 3.0}, "asset.size_wh must be an integer, got a number"),
        ({"id": "a", "size_wh": 3, "sise": 1}, "asset has an unknown member sise"),
        ({"id": "a", "size_wh": 3, "colour": "blue"}, "asset.colour must be one of 'red', 'green'"),
        ({"id": "a", "size_wh": 3, "path": [{"x": None}]}, "asset.path[0].x must be an integer, got null"),
        ({"id": "a", "size_wh": -1}, "asset: size_wh may not be negative"),
        ([], "asset must be an object, got an array"),
        ("{", "asset is not JSON: Expecting property name"),
        ('{"id":"a","id":"b","size_wh":1}', "asset is not JSON: a member stands twice in one object"),
        ('{"id":"\\ud800","size_wh":1}', "asset is not JSON"),
        ('{"id":"a","size_wh":NaN}', "asset is not JSON: NaN is not a JSON number"),
        (b"\xff", "asset is not JSON"),
        ("[" * 100_000, "asset is not JSON"),
        ('{"id":"a","size_wh":' + "9" * 5000 + "}", "asset is not JSON"),
    ],
)
async def test_an_argument_that_does_not_fit_is_refused_with_its_place(
    assets: MemoryLedger, argument: Any, sentence: str
) -> None:
    done = await assets.submit("create", argument)
    assert done.status == 400
    assert done.message.startswith(f"bad_argument: {sentence}")


async def test_scalars_typed_dicts_and_literals(assets: MemoryLedger) -> None:
    assert (await assets.evaluate("take", 1, 2, {"limit": 3}, "1")).json() == [1, 2.0, {"limit": 3}, 1]
    assert "must be one of 'a', 1" in (await assets.evaluate("take", 1, 2, {"limit": 3}, "true")).message
    assert "options.limit is missing" in (await assets.evaluate("take", 1, 2, {}, "1")).message


async def test_text_and_bytes_are_taken_as_they_come(assets: MemoryLedger) -> None:
    assert (await assets.evaluate("raw", b"\x00\xff")).payload == b"\xff\x00"
    operator = caller(role="grid", level="high")
    assert (await assets.submit("renameAsset", "{not json", creator=operator)).json() == [
        "{not json",
        "unnamed",
    ]
    bad = await assets.submit("renameAsset", b"\xff", creator=operator)
    assert bad.message == "bad_argument: id is not UTF-8 text"


@pytest.mark.parametrize("arguments", [(), ("a", "b", "c")])
async def test_the_number_of_arguments_is_checked(assets: MemoryLedger, arguments: tuple[str, ...]) -> None:
    done = await assets.submit("renameAsset", *arguments, creator=caller(role="grid", level="high"))
    assert (
        done.message == f"bad_argument: renameAsset takes 1 to 2 arguments (id, name), got {len(arguments)}"
    )


async def test_attributes_that_a_transaction_requires(assets: MemoryLedger) -> None:
    lacking = await assets.submit("renameAsset", "a")
    assert lacking.message == "forbidden: the caller's certificate has no attribute role"
    other = await assets.submit("renameAsset", "a", creator=caller(role="home", level="high"))
    assert other.message == "forbidden: role home may not do this; it takes operator or grid"
    lower = await assets.submit("renameAsset", "a", creator=caller(role="grid", level="low"))
    assert lower.message == "forbidden: level low may not do this; it takes high"


async def test_results_are_json_of_one_form(assets: MemoryLedger) -> None:
    assert (await assets.evaluate("mapping")).payload == '{"a":[true,null,"é"],"b":1}'.encode()
    nan = await assets.evaluate("lower")
    assert (nan.status, nan.message) == (500, "the chaincode failed with ValueError; its log says where")


async def test_names_find_their_contract(assets: MemoryLedger) -> None:
    assert (await assets.evaluate("Assets:mapping")).status == 200
    assert (await assets.evaluate("org.second:hello")).payload == b"hello"
    assert (await assets.evaluate("org.second:bye")).payload == b"no bye here"
    assert (await assets.evaluate("bye")).message.startswith("unknown_transaction: contract Assets has no")
    assert (await assets.evaluate("Nothing:bye")).message.startswith("unknown_contract: ")
    assert (await assets.evaluate("")).status == 400


async def test_hooks_run_around_transactions_that_are_allowed(assets: MemoryLedger, contract: Assets) -> None:
    await assets.evaluate("mapping")
    await assets.submit("renameAsset", "a")
    assert contract.seen == ["before mapping", "after mapping"]


async def test_metadata_describes_every_contract(assets: MemoryLedger) -> None:
    metadata = (await assets.evaluate("org.hyperledger.fabric:GetMetadata")).json()
    assert list(metadata["contracts"]) == ["Assets", "org.second"]
    first = metadata["contracts"]["Assets"]
    assert first["contractInstance"] == {"name": "Assets", "default": True}
    by_name = {entry["name"]: entry for entry in first["transactions"]}
    assert by_name["create"]["parameters"] == [
        {"name": "asset", "schema": {"$ref": "#/components/schemas/Asset"}}
    ]
    assert by_name["create"]["description"] == "Keep an asset."
    assert by_name["create"]["tag"] == ["submit", "submitTx"]
    assert by_name["mapping"]["tag"] == ["evaluate"]
    schema = metadata["components"]["schemas"]["Asset"]
    assert schema["required"] == ["id", "size_wh"]
    assert schema["properties"]["colour"] == {"enum": ["red", "green"]}
    assert "prefixItems" not in str(schema)


def test_mistakes_in_a_contract_are_told_when_it_is_made() -> None:
    class NotAsync(Contract):
        @transaction  # type: ignore[type-var]
        def go(self, stub: Stub) -> None: ...

    class NoAnnotation(Contract):
        @transaction
        async def go(self, stub: Stub, value) -> None: ...  # type: ignore[no-untyped-def]

    class NoJson(Contract):
        @transaction
        async def go(self, stub: Stub, value: set[int]) -> None: ...

    for wrong, sentence in ((NotAsync, "async"), (NoAnnotation, "annotation"), (NoJson, "set")):
        with pytest.raises(TypeError, match=sentence):
            chaincode(wrong())
    with pytest.raises(ValueError, match="one name"):
        chaincode(Second(), Second())


async def test_a_refusal_of_the_hook_ends_the_transaction() -> None:
    class Closed(Contract):
        async def before_transaction(self, stub: Stub, transaction: Any) -> None:
            raise Refusal("closed", "come back tomorrow")

        @transaction
        async def go(self, stub: Stub) -> None:
            await stub.put_state("k", b"1")

    done = await MemoryLedger(Closed()).submit("go")
    assert (done.message, done.writes) == ("closed: come back tomorrow", {})


def test_names_that_every_contract_has_are_refused_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match=r"Broken\.transactions would replace what every contract has"):

        class Broken(Contract):
            @transaction
            async def transactions(self, stub: Stub) -> None: ...  # type: ignore[override]

    with pytest.raises(TypeError, match=r'Named\.name would replace .*@transaction\(name="name"\)'):

        class Named(Contract):
            @evaluate
            async def name(self, stub: Stub) -> None: ...  # type: ignore[override]

    class Fine(Contract):
        @evaluate(name="name")
        async def own_name(self, stub: Stub) -> str:
            return "fine"

    assert list(Fine().transactions()) == ["name"]


def test_transactions_that_nobody_could_call_are_refused_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match="callers cannot name the transaction 'a:b'"):

        class Colon(Contract):
            @transaction(name="a:b")
            async def a(self, stub: Stub) -> None: ...

    with pytest.raises(TypeError, match="a is the transaction twice already"):

        class Twice(Contract):
            @transaction(name="twice")
            async def a(self, stub: Stub) -> None: ...

            @transaction(name="twice")
            async def b(self, stub: Stub) -> None: ...

    with pytest.raises(TypeError, match="'org.hyperledger.fabric' is reserved"):

        class Metadata(Contract):
            name = "org.hyperledger.fabric"


async def test_a_long_unknown_name_is_shortened_in_the_refusal() -> None:
    class Small(Contract):
        @transaction
        async def put(self, stub: Stub) -> None: ...

    ledger = MemoryLedger(Small())
    refused = await ledger.evaluate("x" * 100_000)
    assert refused.message == f"unknown_transaction: contract Small has no transaction {'x' * 80}..."
    refused = await ledger.evaluate(f"{'c' * 100_000}:put")
    assert refused.message == f"unknown_contract: this chaincode has no contract {'c' * 80}..."
    assert (await ledger.evaluate("get")).message.endswith("has no transaction get")


async def test_the_peers_own_organisation_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    class Asking(Contract):
        @evaluate
        async def whose(self, stub: Stub) -> str:
            return stub.mspid

    ledger = MemoryLedger(Asking())
    monkeypatch.setenv("CORE_PEER_LOCALMSPID", "NewtownMSP")
    assert (await ledger.evaluate("whose")).payload == b"NewtownMSP"
    monkeypatch.delenv("CORE_PEER_LOCALMSPID")
    failed = await ledger.evaluate("whose")
    assert (failed.status, "CORE_PEER_LOCALMSPID is not set" in failed.message) == (500, True)
