# SPDX-License-Identifier: Apache-2.0
"""What every report is checked for: self-contained, accessible HTML."""

from html.parser import HTMLParser


class Outline(HTMLParser):
    """Collects what a check needs of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.tags: dict[str, int] = {}
        self.unlabelled = 0
        self.phone_charts = 0
        self.links: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.tags[tag] = self.tags.get(tag, 0) + 1
        if "id" in values:
            self.ids.append(values["id"])
        self.phone_charts += values.get("class") == "phone"
        if tag == "a":
            self.links.append(values["href"])
        if tag == "svg" and not (values.get("role") == "img" and values.get("aria-label")):
            self.unlabelled += 1
        for name in ("src", "href", "xlink:href"):
            if values.get(name, "#").startswith(("http", "//", "/")):
                self.outside.append(values[name])


def checked(html: str) -> Outline:
    """The outline of a whole report: nothing from elsewhere, links that lead somewhere, charts with words."""
    outline = Outline()
    outline.feed(html)
    assert outline.unlabelled == 0
    assert outline.outside == []
    assert "script" not in outline.tags
    assert len(outline.ids) == len(set(outline.ids))
    assert outline.links
    assert {link.removeprefix("#") for link in outline.links} <= set(outline.ids)
    assert outline.tags["details"] == outline.tags["figure"]
    assert outline.tags["svg"] == outline.tags["figure"] + outline.phone_charts
    return outline
