"""Plots of a run, from its document: `python -m bench.plots` draws them again."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

RESULTS = Path(__file__).parent / "results"
PRODUCT, FLOOR, LEANEST = "#2458c5", "#9aa4b2", "#d5dae2"

Figures = Mapping[str, list[float]]


def draw(found: Mapping[str, Any], folder: Path) -> list[Path]:
    """A picture for each measure of the run that has one; their files."""
    mpl.use("Agg")
    drawn = []
    for measure in found["measures"]:
        for begin, (name, picture) in PICTURES.items():
            if measure["name"].startswith(begin):
                figure = Figure(figsize=(7.2, 3.6), layout="constrained")
                picture(figure.subplots(), measure["figures"])
                drawn.append(folder / f"{name}.png")
                figure.savefig(drawn[-1], dpi=110)
    return drawn


def create(axes: Axes, figures: Figures) -> None:
    """p50 and p95 of create, ours and the floor's."""
    groups = ["1 caller", "16 callers", "in process"]
    for index, (who, colour) in enumerate((("product", PRODUCT), ("floor", FLOOR))):
        places = [group + index * 0.36 - 0.18 for group in range(len(groups))]
        halves = [figures[f"{who} p50 ms, {group}"] for group in groups]
        tails = [statistics.median(figures[f"{who} p95 ms, {group}"]) for group in groups]
        middles = [statistics.median(values) for values in halves]
        axes.bar(places, middles, width=0.34, color=colour, label=f"{who}, p50")
        axes.scatter(places, tails, marker="_", s=500, color=colour, label=f"{who}, p95")
        for place, values in zip(places, halves, strict=True):
            axes.scatter([place] * len(values), values, s=8, color="black", zorder=3)
    axes.set_xticks(range(len(groups)), ["1 caller, HTTP", "16 callers, HTTP", "1 caller, in process"])
    _finish(axes, "Create with a code", "milliseconds")


def tick(axes: Axes, figures: Figures) -> None:
    """What a tick costs, by the number of connections."""
    for what, colour, marker in (
        ("rows read", PRODUCT, "o"),
        ("rows in range", LEANEST, "x"),
        ("table requests", FLOOR, "s"),
    ):
        found = {_size(label): values for label, values in figures.items() if label.startswith(what)}
        axes.plot(
            list(found), [statistics.median(each) for each in found.values()], f"{marker}-", color=colour, label=what
        )
    axes.set_xscale("log")
    axes.set_xlabel("connections, 100 of them due")
    _finish(axes, "One tick of the timer", "count")


def rotation(axes: Axes, figures: Figures) -> None:
    """The makespan of each repeat, ours and the floors'."""
    repeats = range(1, len(figures["product s"]) + 1)
    series = (
        ("product s", "product", PRODUCT),
        ("floor s", "floor", FLOOR),
        ("leanest floor s", "leanest floor", LEANEST),
    )
    for index, (label, name, colour) in enumerate(series):
        axes.bar([each + (index - 1) * 0.27 for each in repeats], figures[label], width=0.26, color=colour, label=name)
    axes.set_xticks(list(repeats))
    axes.set_xlabel("repeat")
    _finish(axes, "1,000 OAuth rotations due at once, 16 at a time", "seconds")


def makespan(axes: Axes, figures: Figures) -> None:
    """How much was done when: the median of the repeats, ours and the floor's."""
    for whose, colour in (("floor", FLOOR), ("product", PRODUCT)):
        found = {
            label: values for label, values in figures.items() if label.startswith(f"{whose} s, ") and "%" in label
        }
        shares = [int(label.removeprefix(f"{whose} s, ").partition(" ")[0]) for label in found]
        axes.plot([statistics.median(values) for values in found.values()], shares, color=colour, label=whose)
    axes.axvline(
        statistics.median(figures["product s, simulated"]),
        linestyle=":",
        color=PRODUCT,
        label="former passwords removed",
    )
    axes.set_xlabel("simulated seconds since all were due")
    _finish(axes, "10,000 app passwords due at once in one tenant", "% of the rotations done")


PICTURES: dict[str, tuple[str, Callable[[Axes, Figures], None]]] = {
    "create": ("create", create),
    "timer tick": ("tick", tick),
    "rotate 1,000": ("rotation", rotation),
    "rotate 10,000": ("makespan", makespan),
}
"""By the beginning of the measure's name: the file's name and who draws it."""


def _size(label: str) -> int:
    return int(re.sub(r"\D", "", label.partition("among")[2]))


def _finish(axes: Axes, title: str, unit: str) -> None:
    axes.set_title(title, loc="left")
    axes.set_ylabel(unit)
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")


if __name__ == "__main__":
    draw(json.loads((RESULTS / "latest.json").read_text()), RESULTS)
