"""Writes `commonwatt_client/sync` from the async modules: `python client/mirror_sync.py`.

The two clients differ in nothing but `async` and `await`, and in the connection that performs the core's effects
(`_aio.py` and `sync/_threads.py`, both written by hand). A test holds the mirror to its source.
"""

import re
from pathlib import Path

PACKAGE = Path(__file__).parent / "commonwatt_client"
MODULES = ("transaction", "events", "contract", "network", "gateway", "connecting")

HEADING = "# Written by client/mirror_sync.py from {source}; change that file.\n"

REPLACEMENTS = (
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"__aenter__", "__enter__"),
    (r"__aexit__", "__exit__"),
    (r"__aiter__", "__iter__"),
    (r"__anext__", "__next__"),
    (r"\banext\(", "next("),
    (r"commonwatt_client\._aio\b", "commonwatt_client.sync._threads"),
    (rf"commonwatt_client\.({'|'.join(MODULES)}) import", r"commonwatt_client.sync.\1 import"),
    (r"of the async client", "of the sync client"),
)


def mirrored(module: str) -> str:
    """The sync text of an async module."""
    text = (PACKAGE / f"{module}.py").read_text(encoding="utf-8")
    for pattern, replacement in REPLACEMENTS:
        text = re.sub(pattern, replacement, text)
    heading = HEADING.format(source=f"commonwatt_client/{module}.py")
    return heading + _sorted_imports(text)


def _sorted_imports(text: str) -> str:
    """The text with its block of our imports in alphabetical order, as renaming leaves them out of it."""
    lines = text.split("\n")
    block: list[str] = []
    first = None
    index = 0
    while index < len(lines):
        if lines[index].startswith("from commonwatt_client"):
            first = index if first is None else first
            statement = lines[index]
            while statement.count("(") > statement.count(")"):
                index += 1
                statement += "\n" + lines[index]
            block.append(statement)
        elif first is not None:
            break
        index += 1
    if first is None:
        return text
    block.sort(key=lambda statement: statement.split()[1])
    return "\n".join([*lines[:first], *block, *lines[index:]])


def main() -> None:
    """Write every mirrored module."""
    for module in MODULES:
        (PACKAGE / "sync" / f"{module}.py").write_text(mirrored(module), encoding="utf-8")


if __name__ == "__main__":
    main()
