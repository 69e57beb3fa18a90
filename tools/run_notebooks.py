# SPDX-License-Identifier: Apache-2.0
"""Run the notebooks of docs/notebooks and keep what they print; with --check, compare it with what they hold.

    python tools/run_notebooks.py docs/notebooks/*.ipynb
    python tools/run_notebooks.py --check docs/notebooks/day.ipynb

Each runs in this process, in an empty folder, without a Jupyter kernel: cells are plain Python, so none of Jupyter's
programs is needed to keep them true. Figures are kept as SVG and not compared, since fonts differ between machines.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import nbformat
from matplotlib.figure import Figure

Json = dict[str, Any]


def outputs_of(source: str, namespace: Json, number: int) -> list[Json]:
    """Run a cell: what it printed, then the value of its last expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, f"cell {number}", "exec"), namespace)  # noqa: S102
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), namespace)  # noqa: S307
    outputs: list[Json] = []
    if printed.getvalue():
        outputs.append({"output_type": "stream", "name": "stdout", "text": printed.getvalue()})
    if value is not None:
        outputs.append(
            {"output_type": "execute_result", "execution_count": number, "metadata": {}, "data": shown(value)}
        )
    return outputs


def shown(value: Any) -> Json:
    """A value as a notebook shows it."""
    if isinstance(value, Figure):
        file = io.StringIO()
        with matplotlib.rc_context({"svg.hashsalt": "notebook", "svg.fonttype": "none"}):
            value.savefig(file, format="svg", metadata={"Date": None})
        plt.close(value)
        return {"text/plain": "<Figure>", "image/svg+xml": file.getvalue()}
    data = {"text/plain": repr(value)}
    if hasattr(value, "_repr_html_"):
        data["text/html"] = value._repr_html_()
    return data


def run(notebook: Any) -> None:
    """Run every cell of a notebook and give it its outputs."""
    namespace: Json = {"__name__": "__main__"}
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            for number, cell in enumerate((one for one in notebook.cells if one.cell_type == "code"), 1):
                cell.execution_count = number
                found = outputs_of(cell.source, namespace, number)
                cell.outputs = [nbformat.from_dict(one) for one in found]
        finally:
            os.chdir(before)


def texts(notebook: Any) -> list[list[str]]:
    """What each cell of code says in words."""
    return [
        [one.text if one.output_type == "stream" else one.data["text/plain"] for one in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def main() -> int:
    """Run each notebook; 1 where one holds something else than it prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    options = parser.parse_args()
    differing = 0
    for path in options.notebooks:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        held = texts(notebook)
        run(notebook)
        if not options.check:
            text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True)
            path.write_text(text + "\n", "utf-8")
            continue
        for number, (one, other) in enumerate(zip(held, texts(notebook), strict=True), 1):
            if one != other:
                differing += 1
                print(f"{path}: cell {number} holds\n{one}\nand prints\n{other}", file=sys.stderr)
    if differing:
        print("run python tools/run_notebooks.py docs/notebooks/*.ipynb", file=sys.stderr)
    return int(differing > 0)


if __name__ == "__main__":
    raise SystemExit(main())
