# SPDX-License-Identifier: Apache-2.0
"""The report of a throughput test."""

from typing import Any

from commonwatt_loadgen.report.axes import legend, plain
from commonwatt_loadgen.report.figure import (
    BATTERY_COLOUR,
    CYCLE,
    GRID_COLOUR,
    NEIGHBOUR_COLOUR,
    Cell,
    Figure,
    Table,
    canvas,
    svg_of,
)
from commonwatt_loadgen.report.page import Page, Section, Tile, render

Json = dict[str, Any]
_SINCE = "seconds since the start"
_NAME_SHOWN = 56  # letters of a legend that fit above a chart


def load_report(summary: Json) -> str:
    """The HTML of the summary."""
    run, generator = summary["run"], summary["generator"]
    total = summary["latency_ms"].get("total", {})
    tiles = [
        Tile(
            f"{summary['committed_per_s']:.1f} tx/s",
            f"committed, {summary['outcomes']['committed']:,} in all",
        ),
        Tile(f"{total.get('p50', 0):,.0f} ms", "median latency from the intended send time"),
        Tile(f"{total.get('p95', 0):,.0f} ms", "95th percentile"),
        Tile("passed" if summary["passed"] else "FAILED", "thresholds"),
    ]
    lead = (
        f"Begun on {run['began_at'][:10]} at {run['began_at'][11:19]} UTC: "
        f"{run['rate']} for {run['duration_s']:g} s, {run['mode']}, {run['workers']} "
        f"{'worker' if run['workers'] == 1 else 'workers'}, on the {run['backend']} network “{run['network']}”; "
        f"commits heard of from {run['commits_from']}."
    )
    limit = "It kept its schedule."
    if generator["was_the_limit"]:
        limit = "The generator itself was the limit, not the network: use more workers."
    elif generator["inconclusive"]:
        limit = (
            f"Inconclusive: this machine was busy ({generator['machine_percent']:.0f} % of all processors), so the "
            "figures tell neither of the network nor of the generator."
        )
    sections = [
        Section(
            "Outcomes",
            "Only committed transactions count as throughput.",
            tables=[_thresholds(summary), _outcomes(summary), *_communities(summary)],
        ),
        Section(
            "Latency",
            f"The generator used {generator['cpu_percent_of_a_core']:.0f} % of a core and sent at most "
            f"{generator['lag_p99_ms']:.1f} ms late (99th percentile). {limit}",
            tables=[_latencies(summary)],
            figures=[_rates(summary), _longest(summary)],
        ),
    ]
    if summary["resources"]:
        sections.append(
            Section(
                "The network's processes",
                figures=[
                    _resources(summary, "cpu_percent", "Processor time", "% of a core"),
                    _resources(summary, "memory_mb", "Memory", "MB"),
                ],
            )
        )
    if summary["nodes"]:
        sections.append(
            Section(
                "What peers and orderers said",
                "From each node's own /metrics, on the same time axis.",
                figures=_nodes(summary),
            )
        )
    footer = ["Every field of summary.json is explained under “definitions” in that file."]
    if run["backend"] == "embedded":
        footer.append("The embedded network's speed is its own and says nothing about Hyperledger Fabric's.")
    return render(Page("A network under load", lead, tiles, sections, footer))


def _thresholds(summary: Json) -> Table:
    rows: list[list[Cell]] = [
        [one["name"], one["limit"], one["value"], "met" if one["met"] else "NOT MET"]
        for one in summary["thresholds"]
    ]
    return Table(["threshold", "limit", "measured", ""], rows)


def _outcomes(summary: Json) -> Table:
    meanings = summary["definitions"]["outcomes"]
    rows: list[list[Cell]] = [
        [name, count, meanings[name], summary["first_errors"].get(name, "")[:160]]
        for name, count in summary["outcomes"].items()
    ]
    return Table(["outcome", "transactions", "meaning", "first seen"], rows)


def _communities(summary: Json) -> list[Table]:
    """One row per community, where there are several."""
    if len(summary["communities"]) < 2:
        return []
    rows: list[list[Cell]] = [
        [channel, one["committed_per_s"], *one["outcomes"].values()]
        for channel, one in summary["communities"].items()
    ]
    return [Table(["community", "committed/s", *summary["outcomes"]], rows)]


def _latencies(summary: Json) -> Table:
    phases = summary["latency_ms"]
    headers = list(next(iter(phases.values()), {}))
    meanings = summary["definitions"]["latency_ms"]
    rows: list[list[Cell]] = [
        [f"{name}: {meanings[name]}", *(values[header] for header in headers)]
        for name, values in phases.items()
    ]
    return Table(["phase", *headers], rows)


def _rates(summary: Json) -> Figure:
    rows = summary["seconds"]
    drawing = canvas()
    axes = drawing.subplots()
    axes.step(
        [row[0] for row in rows], [row[1] for row in rows], where="post", color=GRID_COLOUR, label="intended"
    )
    axes.step(
        [row[0] for row in rows],
        [row[2] for row in rows],
        where="post",
        color=BATTERY_COLOUR,
        label="committed",
    )
    axes.step(
        [row[0] for row in rows],
        [row[3] for row in rows],
        where="post",
        color=NEIGHBOUR_COLOUR,
        label="not committed",
    )
    axes.set_ylim(bottom=0)
    axes.set_xlabel(_SINCE)
    axes.set_ylabel("transactions/s")
    plain(axes)
    legend(axes, columns=3)
    return Figure(
        "rates",
        "Intended and committed",
        "By the second in which a transaction was due, and in which its commit was known.",
        svg_of(drawing, "rates", "Transactions per second: intended and committed"),
        Table(["second", "intended", "committed", "not committed"], [row[:4] for row in rows]),
    )


def _longest(summary: Json) -> Figure:
    rows = [row for row in summary["seconds"] if row[1]]
    drawing = canvas()
    axes = drawing.subplots()
    axes.step([row[0] for row in rows], [row[4] for row in rows], where="post", color=NEIGHBOUR_COLOUR)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(_SINCE)
    axes.set_ylabel("ms")
    plain(axes)
    return Figure(
        "longest",
        "The longest latency of each second",
        "From the intended send time, by the second in which the transaction was due.",
        svg_of(drawing, "longest", "Longest latency by second"),
        Table(["second", "longest, ms"], [[row[0], row[4]] for row in rows]),
    )


def _resources(summary: Json, field: str, title: str, unit: str) -> Figure:
    samples = [(one["process"], one["at_s"], one[field]) for one in summary["resources"]]
    return _lines(field.replace("_", "-"), title, "One line per process.", "process", unit, samples)


def _nodes(summary: Json) -> list[Figure]:
    heights = [
        (f"{one['node']}, {channel}" if len(one["heights"]) > 1 else one["node"], one["at_s"], height)
        for one in summary["nodes"]
        for channel, height in one["heights"].items()
    ]
    figures = []
    if heights:
        figures.append(_lines("heights", "Blocks", "Height of each ledger.", "node", "blocks", heights))
    for field, title, unit in (
        ("proposals", "Proposals received", "proposals/s"),
        ("transactions", "Transactions validated", "transactions/s"),
        ("block_processing_s", "Time spent on committing blocks", "s/s"),
    ):
        if samples := _growth(summary["nodes"], field):
            figures.append(
                _lines(field.replace("_", "-"), title, "One line per node.", "node", unit, samples)
            )
    return figures


def _growth(nodes: list[Json], field: str) -> list[tuple[str, float, float]]:
    """By how much a counter of each node grew per second, between one sample and the next."""
    before: dict[str, Json] = {}
    samples = []
    for one in nodes:
        if field not in one:
            continue
        last = before.get(one["node"])
        if last and one["at_s"] > last["at_s"]:
            per_s = (one[field] - last[field]) / (one["at_s"] - last["at_s"])
            samples.append((one["node"], one["at_s"], round(per_s, 3)))
        before[one["node"]] = one
    return samples


def _lines(
    key: str, title: str, caption: str, who: str, unit: str, samples: list[tuple[str, float, float]]
) -> Figure:
    """One line per name over the seconds of the run."""
    drawing = canvas()
    axes = drawing.subplots()
    names = list(dict.fromkeys(one[0] for one in samples))
    longest = max(map(len, names), default=0)
    for place, name in enumerate(names):
        axes.plot(
            [at_s for whose, at_s, _ in samples if whose == name],
            [value for whose, _, value in samples if whose == name],
            color=CYCLE[place % len(CYCLE)],
            label=name if len(name) <= _NAME_SHOWN else name[: _NAME_SHOWN - 1] + "…",
        )
    axes.set_ylim(bottom=0)
    axes.set_xlabel(_SINCE)
    axes.set_ylabel(unit)
    plain(axes)
    legend(axes, columns=max(1, min(3, 60 // (longest + 5))), size=8)
    rows: list[list[Cell]] = [list(one) for one in samples]
    return Figure(key, title, caption, svg_of(drawing, key, title), Table([who, "s", unit], rows))
