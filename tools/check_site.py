# SPDX-License-Identifier: Apache-2.0
"""Checks the built site: each link, image and anchor of each page leads to something that is there.

`check_site.py FOLDER` prints what leads nowhere, and ends with 1 then. It opens no connection: links to other sites
are not followed. MkDocs' own check sees what authors wrote; this one sees what readers get, generated parts included.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit


class PageParts(HTMLParser):
    """The anchors of a page, and where its links lead."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note ids, names of anchors, and targets."""
        for name, value in attributes:
            if value and (name == "id" or (tag == "a" and name == "name")):
                self.anchors.add(value)
            elif value and name in ("href", "src"):
                self.links.add(value)


def dead_links(site: Path) -> Iterator[str]:
    """A sentence for each link of a page of `site` that leads nowhere."""
    pages = {path.resolve(): PageParts(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, parts in pages.items():
        if path.name == "404.html":
            continue  # its links count from the site's address, which a folder does not have
        for link in sorted(parts.links):
            address, anchor = urldefrag(link)
            split = urlsplit(address)
            if split.scheme or split.netloc:
                continue
            target = (path.parent / unquote(split.path)).resolve() if split.path else path
            target = target / "index.html" if target.is_dir() else target
            shown = f"{path.relative_to(site.resolve())}: {link}"
            if not target.is_file():
                yield f"{shown}: there is no such file"
            elif anchor and target in pages and unquote(anchor) not in pages[target].anchors:
                yield f"{shown}: the page has no such anchor"


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1], "index.html").is_file():
        sys.exit("check_site.py FOLDER: name the folder of a site, which `make docs` builds")
    dead = list(dead_links(Path(sys.argv[1])))
    print("\n".join(dead) or f"every link of {sys.argv[1]} leads somewhere")
    sys.exit(1 if dead else 0)
