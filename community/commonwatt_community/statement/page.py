# SPDX-License-Identifier: Apache-2.0
"""A statement as one page of HTML that prints on one sheet of A4.

The page asks for nothing else: no script, and its style within it or, for a server that forbids that, at an address.
"""

from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources

from commonwatt_client.pages import HOUSE_STYLE, page_file

from .energy import GIVEN, NETTED, RECEIVED, StatementLine, merged_bands
from .monthly import ADJUSTMENT, CARBON, DEMAND, FEE, SUPPLY, Statement
from .words import (
    attested_why,
    carbon_why,
    cents_per_kwh,
    days_text,
    dollars,
    kwh,
    month_text,
    saved_why,
    spans_of,
    state_why,
    text_of,
    words,
)

MOST_ROWS = 20
"""Rows of energy that one sheet has room for; with more, bands are shown together."""
ROOMY_ROWS = 16
"""More lines print in smaller type."""
MOST_CORRECTIONS = 4
MOST_SPANS = 6
_ORDER_OF_SOURCES = ("measured", "substituted", "estimated")


def page_style() -> str:
    """The page's stylesheet, for a server that gives it an address."""
    own = resources.files(__package__).joinpath("page.css").read_text("utf-8")
    return page_file(HOUSE_STYLE) + own


def statement_html(statement: Statement, stylesheet: str | None = None) -> str:
    """The page. ``stylesheet`` is the address of `page_style`; None puts the style into the page."""
    said = words()
    title = said["title"]
    style = (
        f"<style>\n{page_style()}</style>"
        if stylesheet is None
        else f'<link rel="stylesheet" href="{escape(stylesheet)}">'
    )
    home = said["for_home"].format(home=statement.home)
    where = said["in_community"].format(community=statement.community, month=month_text(statement.month))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{escape(f"{title}, {where}")}</title>
{style}
</head>
<body>
<main{' class="long"' if len(statement.lines) > ROOMY_ROWS else ""}>
<header>
<h1>{escape(title)}</h1>
<div class="where"><b>{escape(where)}</b><br><span class="soft">{escape(home)}</span></div>
</header>
{_sums(statement)}
{_flows(statement)}
{_table(statement)}
{_why(statement)}
</main>
</body>
</html>
"""


def _sums(statement: Statement) -> str:
    said = words()
    total, saved = statement.total_cents, statement.saved_cents
    billed = said["days_billed"].format(count=len(statement.billed), all=len(statement.month.days))
    tiles = [
        ("", said["you_receive" if total < 0 else "you_pay"], f"${dollars(abs(total))}",
         said["gst_within"].format(amount=f"${dollars(statement.gst_cents)}")),
        ("good" if saved >= 0 else "bad", said["saved" if saved >= 0 else "cost_more"], f"${dollars(abs(saved))}",
         saved_why(statement)),
        ("", said[statement.state], billed,
         f"{state_why(statement)} {attested_why(statement)}".strip()),
    ]  # fmt: skip
    items = [
        f'<li class="{kind}"><span class="label">{escape(label)}</span>'
        f"{f'<b>{escape(figure)}</b>' if figure else ''}<small>{escape(why)}</small></li>"
        for kind, label, figure, why in tiles
    ]
    return f'<ul class="sums">{"".join(items)}</ul>'


def _flows(statement: Statement) -> str:
    said = words()
    energy = merged_bands(line for line in statement.lines if _is_energy(line))
    received = [one for one in energy if one.kind in RECEIVED]
    given = [one for one in energy if one.kind in GIVEN]
    for one in energy:  # what no lines tell apart stands on the side to which it comes
        if one.kind in NETTED:
            (received if (one.energy_wh or 0) >= 0 else given).append(one)
    figures = [(said["where_from"], received), (said["where_to"], given)]
    return f'<div class="flows">{"".join(_flow(title, lines) for title, lines in figures)}</div>'


def _flow(title: str, lines: Sequence[StatementLine]) -> str:
    said = words()
    parts = [(line.kind, abs(line.energy_wh or 0)) for line in lines if line.energy_wh]
    whole = sum(energy_wh for _, energy_wh in parts)
    if not whole:
        nothing = f'<p class="soft">{escape(said["no_energy"])}</p>'
        return f"<figure><figcaption>{escape(title)}</figcaption>{nothing}</figure>"
    texts = [
        said["share"].format(
            what=said[kind], energy=kwh(energy_wh)[:-2], percent=round(100 * energy_wh / whole)
        )
        for kind, energy_wh in parts
    ]
    bars, place = [], 0.0
    for kind, energy_wh in parts:
        width = 100 * energy_wh / whole
        bars.append(f'<rect class="{kind}" x="{place:.3f}" width="{width:.3f}" height="10"></rect>')
        place += width
    mark = '<svg viewBox="0 0 1 1" aria-hidden="true"><rect class="{kind}" width="1" height="1"></rect></svg>'
    legend = [
        f"<li>{mark.format(kind=kind)}{escape(text)}</li>"
        for (kind, _), text in zip(parts, texts, strict=True)
    ]
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="{escape("; ".join(texts))}">'
        f'{"".join(bars)}</svg><ul class="legend">{"".join(legend)}</ul></figure>'
    )


def _table(statement: Statement) -> str:
    said = words()
    energy = [line for line in statement.lines if _is_energy(line)]
    if len(energy) > MOST_ROWS:
        energy = merged_bands(energy)
    corrections = [line for line in statement.lines if line.kind == ADJUSTMENT]
    groups = [
        ("received", [line for line in energy if line.kind in RECEIVED]),
        ("given", [line for line in energy if line.kind in GIVEN]),
        ("netted", [line for line in energy if line.kind in NETTED]),
        ("charges", [line for line in statement.lines if line.kind in (FEE, SUPPLY, DEMAND, CARBON)]),
    ]
    bodies = [
        _group(said[name], [_row(line, statement) for line in lines], sum(line.cents for line in lines))
        for name, lines in groups
        if lines
    ]
    if corrections:
        rows = [_row(line, statement) for line in corrections]
        booked_cents = sum(line.cents for line in corrections)
        if len(corrections) > MOST_CORRECTIONS:
            many = said["corrections_many"].format(count=len(corrections))
            rows = [_cells("td", many, "", "", dollars(booked_cents))]
        bodies.append(_group(said["corrections"], rows, booked_cents))
    foot = []
    if statement.rounding_cents:
        foot.append(_cells("th", said["rounding"], "", "", dollars(statement.rounding_cents)))
    foot.append(_cells("th", said["total"], "", "", dollars(statement.total_cents), "total"))
    foot.append(_cells("th", said["gst"], "", "", dollars(statement.gst_cents)))
    heads = "".join(
        f'<th scope="col">{escape(said[name])}</th>' for name in ("what", "energy", "price", "amount")
    )
    return f"<table><thead><tr>{heads}</tr></thead>{''.join(bodies)}<tbody>{''.join(foot)}</tbody></table>"


def _group(title: str, rows: Iterable[str], sum_cents: int) -> str:
    rows = list(rows)
    if len(rows) > 1:
        rows.append(_cells("th", words()["subtotal"], "", "", dollars(sum_cents), "subtotal"))
    head = f'<tr><th scope="rowgroup" colspan="4">{escape(title)}</th></tr>'
    return f"<tbody>{head}{''.join(rows)}</tbody>"


def _row(line: StatementLine, statement: Statement) -> str:
    price = line.price_uaud_per_kwh
    return _cells(
        "th",
        text_of(line, statement),
        "" if line.energy_wh is None else kwh(line.energy_wh),
        "" if price is None else cents_per_kwh(price),
        dollars(line.cents),
    )


def _cells(first: str, what: str, energy: str, price: str, amount: str, kind: str = "") -> str:
    scope = ' scope="row"' if first == "th" else ""
    cells = "".join(f"<td>{escape(text)}</td>" for text in (energy, price, amount))
    classed = f' class="{kind}"' if kind else ""
    return f"<tr{classed}><{first}{scope}>{escape(what)}</{first}>{cells}</tr>"


def _why(statement: Statement) -> str:
    said = words()
    counts = dict(statement.sources)
    whole = sum(counts.values())
    sources = [
        said[f"sources_{quality}"].format(count=counts[quality], all=whole)
        for quality in _ORDER_OF_SOURCES
        if counts.get(quality)
    ]
    if statement.unbilled:
        sources.append(said["unbilled"].format(days=_few(statement.unbilled)))
    sources.append(said["signed"])
    rules = [said["rule_why"], said["words"]]
    if statement.carbon is not None:
        rules.append(carbon_why(statement.carbon))
    parts = [(said["sources"], sources), (said["rule"], rules)]
    shown = [
        f"<section><h2>{escape(title)}</h2>{''.join(f'<p>{escape(text)}</p>' for text in texts)}</section>"
        for title, texts in parts
    ]
    return f'<div class="why">{"".join(shown)}</div>'


def _few(days: Sequence[int]) -> str:
    """Days as spans, cut where there are many spans."""
    spans = spans_of(days)
    listed = [day for first, last in spans[:MOST_SPANS] for day in range(first, last + 1)]
    text = days_text(listed)
    return words()["unbilled_more"].format(days=text) if len(spans) > MOST_SPANS else text


def _is_energy(line: StatementLine) -> bool:
    return line.kind in (*RECEIVED, *GIVEN, *NETTED)
