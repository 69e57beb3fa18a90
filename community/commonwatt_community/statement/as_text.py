# SPDX-License-Identifier: Apache-2.0
"""A statement as lines of text, for a terminal."""

from .monthly import Statement
from .words import (
    attested_why,
    carbon_why,
    cents_per_kwh,
    days_text,
    dollars,
    kwh,
    month_text,
    saved_why,
    state_why,
    text_of,
    words,
)

_TEXT, _FIGURE = 52, 11


def statement_text(statement: Statement) -> str:
    """The table, the total, and what the figures rest on."""
    said = words()
    where = said["in_community"].format(community=statement.community, month=month_text(statement.month))
    rows = [_row(said["what"], said["energy"], said["price"], said["amount"])]
    rows += [
        _row(
            text_of(line, statement),
            "" if line.energy_wh is None else kwh(line.energy_wh),
            "" if line.price_uaud_per_kwh is None else cents_per_kwh(line.price_uaud_per_kwh),
            dollars(line.cents),
        )
        for line in statement.lines
    ]
    rows.append(_row(said["rounding"], "", "", dollars(statement.rounding_cents)))
    rows.append(_row(said["total"], "", "", dollars(statement.total_cents)))
    rows.append(_row(said["gst"], "", "", dollars(statement.gst_cents)))
    saved = statement.saved_cents
    rows += ["", f"{said['saved' if saved >= 0 else 'cost_more']}: ${dollars(abs(saved))}"]
    rows.append(saved_why(statement))
    rows.append(f"{said[statement.state]}: {state_why(statement)}")
    if statement.attested is not None:
        rows.append(f"{said['attested']}: {attested_why(statement)}")
    if statement.carbon is not None:
        rows.append(carbon_why(statement.carbon))
    if statement.unbilled:
        rows.append(said["unbilled"].format(days=days_text(statement.unbilled)))
    head = f"{said['title']}, {where}\n{said['for_home'].format(home=statement.home)}\n"
    return "\n".join([head, *rows]) + "\n"


def _row(what: str, energy: str, price: str, amount: str) -> str:
    return f"{what:<{_TEXT}} {energy:>{_FIGURE}} {price:>{_FIGURE}} {amount:>{_FIGURE}}".rstrip()
