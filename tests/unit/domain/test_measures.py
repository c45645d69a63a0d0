"""The names of metrics, as the exporter and a person writing a query need them."""

from __future__ import annotations

import re

import pytest

from shared.domain.measures import Metric


@pytest.mark.parametrize("metric", Metric)
def test_a_metrics_name_fits_the_rules_of_opentelemetry(metric: Metric) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9._]{0,62}", metric), "OpenTelemetry instrument name, in lower case"
