# SPDX-License-Identifier: Apache-2.0
"""The words that residents and operators read, in one file per language."""

import json
from functools import cache
from importlib import resources

LANGUAGE = "en"


@cache
def texts(part: str, language: str = LANGUAGE) -> dict[str, str]:
    """The words of one part, ``statement`` or ``portal``, by their keys.

    FileNotFoundError for a language that has no file, KeyError for a part that the file lacks.
    """
    content = resources.files(__package__).joinpath(f"{language}.json").read_text("utf-8")
    found: dict[str, str] = json.loads(content)[part]
    return found
