"""The table and the document of a run."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.machine import machine, versions
from bench.measure import Result


def document(results: Sequence[Result]) -> dict[str, Any]:
    """What `latest.json` holds."""
    return {
        "measuredAt": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "machine": machine(),
        "versions": versions(),
        "measures": [result.document() for result in results],
    }


def write(found: dict[str, Any], folder: Path) -> None:
    """`latest.json` in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "latest.json").write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")


def table(found: dict[str, Any]) -> str:
    """For people: a line a measure, and below it the figures behind it, each with its spread over the repeats."""
    lines = [
        " · ".join(f"{name} {value}" for name, value in found["machine"].items()),
        " · ".join(f"{name} {value}" for name, value in found["versions"].items()),
        "",
        f"{'measure':<52}{'value':>10}{'limit':>9}  {'':<9}{'repeats':>7}  spread",
    ]
    for each in found["measures"]:
        unit = "" if each["unit"] == "ratio" else f" {each['unit']}"
        value, limit = f"{each['value']:.2f}{unit}", f"{each['limit']:g}{unit}"
        verdict = "reached" if each["reached"] else "NOT YET"
        spread = f"{min(each['repeats']):.2f} to {max(each['repeats']):.2f}"
        lines.append(f"{each['name']:<52}{value:>10}{limit:>9}  {verdict:<9}{len(each['repeats']):>7}  {spread}")
        for label, values in each["figures"].items():
            middle = f"{statistics.median(values):,.2f}"
            lines.append(f"    {label:<48}{middle:>10}{'':>27}  {min(values):,.2f} to {max(values):,.2f}")
    return "\n".join(lines)
