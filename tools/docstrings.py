# SPDX-License-Identifier: Apache-2.0
"""Docstrings on the site: an example that stands indented after `::` becomes a block of Python."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import griffe

EXAMPLE = re.compile(r"^(?P<before>.*)::\n\n(?P<code>(?:(?: {4}.*)?(?:\n|\Z))+)", re.MULTILINE)


class Examples(griffe.Extension):
    """Read by mkdocstrings, as mkdocs.yml says."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of each object that griffe has read."""
        if obj.docstring is not None:
            obj.docstring.value = EXAMPLE.sub(_block, obj.docstring.value)

    def on_module(self, *, mod: griffe.Module, **_: Any) -> None:
        """The same for a module, which griffe reads in another way."""
        self.on_object(obj=mod)


def _block(found: re.Match[str]) -> str:
    lead = f"{found['before']}:\n\n" if found["before"] else ""
    return f"{lead}```python\n{textwrap.dedent(found['code']).strip()}\n```\n\n"
