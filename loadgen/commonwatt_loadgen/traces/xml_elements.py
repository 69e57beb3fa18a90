# SPDX-License-Identifier: Apache-2.0
"""Elements of an XML file, one after the other, with nothing that a file could attack by.

A document type (and so every entity of its own) is refused, elements may be nested and be as large as meter data is.
"""

from collections.abc import Iterator
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from commonwatt_loadgen.traces.checks import TraceError
from commonwatt_loadgen.traces.packed import Part

_DEEPEST = 50
_LARGEST_ELEMENT = 200_000_000
_BYTES_AT_ONCE = 1 << 16


class _Refused(Exception):
    """The file has what no meter data has."""


class _Collector:
    """Builds the elements of some names while the parser reads."""

    def __init__(self, wanted: set[str], parser: expat.XMLParserType) -> None:
        self._wanted = wanted
        self._parser = parser
        self._depth = 0
        self._builder: TreeBuilder | None = None
        self._within = 0
        self._size = 0
        self._line = 0
        self.done: list[tuple[int, Element]] = []
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._document_type
        parser.EntityDeclHandler = self._document_type

    @staticmethod
    def _document_type(*_: object) -> None:
        raise _Refused("has a document type or an entity of its own, which no meter data has: refused")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _Refused(f"elements are nested more than {_DEEPEST} deep: refused")
        local = name.rpartition(" ")[2]
        if self._builder is None and local in self._wanted:
            self._builder, self._within, self._size = TreeBuilder(), self._depth, 0
            self._line = self._parser.CurrentLineNumber
        if self._builder is not None:
            self._grow(len(name) + sum(map(len, attributes.values())))
            self._builder.start(local, attributes)

    def _end(self, name: str) -> None:
        if self._builder is not None:
            self._builder.end(name.rpartition(" ")[2])
            if self._depth == self._within:
                self.done.append((self._line, self._builder.close()))
                self._builder = None
        self._depth -= 1

    def _text(self, text: str) -> None:
        if self._builder is not None:
            self._grow(len(text))
            self._builder.data(text)

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > _LARGEST_ELEMENT:
            raise _Refused(f"an element of more than {_LARGEST_ELEMENT // 10**6} MB: refused")


def elements(part: Part, wanted: set[str]) -> Iterator[tuple[int, Element]]:
    """Each outermost element of the names wanted, namespaces left off, with the line that it begins on.

    Raises:
        TraceError: the file is no XML, or has a document type.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    collector = _Collector(wanted, parser)
    with part.open() as file:
        try:
            while data := file.read(_BYTES_AT_ONCE):
                parser.Parse(data, False)
                yield from collector.done
                collector.done.clear()
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise TraceError(
                str(part), error.lineno, f"is not XML: {expat.ErrorString(error.code)}"
            ) from error
        except _Refused as error:
            raise TraceError(str(part), parser.CurrentLineNumber, str(error)) from error
        yield from collector.done
