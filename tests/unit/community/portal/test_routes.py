# SPDX-License-Identifier: Apache-2.0
"""The pages' files: small, cacheable, and nothing in them that their policy forbids; all words are in the catalogue."""

import gzip
import re
from collections.abc import Mapping
from importlib import resources

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from commonwatt_community.portal.routes import POLICY, add_pages
from commonwatt_community.portal.sums import Sums
from commonwatt_community.texts import texts

FILES = ("portal.css", "portal.js", "operator.js", "page.js", "charts.js", "sun.svg", "statement.css")
PATHS = ("/", "/join", "/operator", *(f"/portal/{name}" for name in FILES))
LARGEST_BYTES = 60_000


async def fetched(path: str, **headers: str) -> tuple[int, bytes, Mapping[str, str]]:
    app = web.Application()
    add_pages(app)
    async with TestClient(TestServer(app), auto_decompress=False) as client:
        answer = await client.get(path, headers=headers)
        return answer.status, await answer.read(), answer.headers


@pytest.mark.parametrize("path", PATHS)
async def test_a_file_and_its_headers(path: str) -> None:
    status, plain, headers = await fetched(path, **{"Accept-Encoding": "identity"})
    assert status == 200
    assert headers["Content-Security-Policy"] == POLICY
    _, packed, coded = await fetched(path, **{"Accept-Encoding": "gzip"})
    assert coded["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed) == plain
    assert (await fetched(path, **{"If-None-Match": headers["ETag"]}))[0] == 304
    assert not re.search(rb"https?://(?!www\.w3\.org/2000/svg)", plain), "nothing comes from elsewhere"


@pytest.mark.parametrize("path", ["/", "/join", "/operator"])
async def test_pages_hold_no_script_and_no_style_of_their_own(path: str) -> None:
    _, content, _ = await fetched(path, **{"Accept-Encoding": "identity"})
    page = content.decode()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", page)
    for attributes in re.findall(r"<script([^>]*)>", page):
        assert "src=" in attributes or 'type="application/json"' in attributes


async def test_a_page_with_all_its_files_is_small() -> None:
    sizes = [
        len((await fetched(path, **{"Accept-Encoding": "gzip"}))[1]) for path in PATHS if path != "/join"
    ]
    assert sum(sizes) < LARGEST_BYTES


def test_scripts_name_words_that_exist() -> None:
    words = texts("portal")
    pages = resources.files("commonwatt_community.portal").joinpath("pages")
    for name in ("portal.js", "operator.js", "page.js"):
        named = re.findall(r'say\("(\w+)"', pages.joinpath(name).read_text("utf-8"))
        assert named
        assert not [word for word in named if word not in words], name
    sources = {name[:-3] for name in Sums._fields if name.endswith("_wh")} - {"import", "export"}
    assert sources <= set(words)


def test_no_word_is_left_over() -> None:
    """A word that nothing shows is one that translators would translate for nobody."""
    pages = resources.files("commonwatt_community.portal").joinpath("pages")
    shown = "".join(file.read_text("utf-8") for file in pages.iterdir())
    made = re.compile(r"state_\w+|refused_\w+")  # keys that are put together
    left = [key for key in texts("portal") if not made.fullmatch(key) and not re.search(rf"\b{key}\b", shown)]
    assert not left


def test_languages_and_parts_that_are_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        texts("portal", "xx")
    with pytest.raises(KeyError):
        texts("elsewhere")
