"""The committed results are those of a whole run of the benchmark as it stands."""

from __future__ import annotations

import json
import statistics
from typing import Any

import pytest

from bench.__main__ import MEASURES
from bench.measure import Measure, Repeat, Result
from bench.plots import RESULTS
from bench.report import table

LEAST_REPEATS = 5


def committed() -> list[dict[str, Any]]:
    """An entry a row of the table."""
    measures: list[dict[str, Any]] = json.loads((RESULTS / "latest.json").read_text())["measures"]
    return measures


def test_each_measure_has_its_entry_in_the_order_of_the_table() -> None:
    told = [(each["name"], each["how"], each["limit"], each["unit"]) for each in committed()]
    assert told == [(each.name, each.how, each.limit, each.unit) for each in MEASURES]


@pytest.mark.parametrize("entry", committed(), ids=lambda entry: entry["name"])
def test_each_value_is_the_median_of_enough_repeats(entry: dict[str, Any]) -> None:
    assert len(entry["repeats"]) >= LEAST_REPEATS
    assert entry["value"] == pytest.approx(statistics.median(entry["repeats"]), abs=1e-3)
    assert {len(values) for values in entry["figures"].values()} == {len(entry["repeats"])}


@pytest.mark.parametrize(("value", "lost", "reached"), [(1.1, 0, True), (1.2, 0, False), (1.0, 1, False)])
def test_a_measure_is_reached_when_all_its_limits_are(value: float, lost: int, reached: bool) -> None:
    async def none(_: Any) -> Any:
        yield

    measure = Measure(name="a", how="b", limit=1.15, unit="ratio", repeats=none, also={"lost": 0})
    result = Result(measure, [Repeat(value, {"lost": 0}), Repeat(value, {"lost": lost}), Repeat(9.9, {"lost": 0})])
    assert result.reached is reached
    document = {"machine": {}, "versions": {}, "measures": [result.document()]}
    assert ("NOT YET" in table(document)) is not reached
