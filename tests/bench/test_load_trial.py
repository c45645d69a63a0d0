"""Which load runs prove nothing, whatever else they show."""

from __future__ import annotations

from typing import Any

import pytest

from bench.load.trial import trial

FAIR: dict[str, Any] = {
    "hold": {"p95": 249.9},
    "kills": 2,
    "upstream": {"Key Vault": {"calls": 50_000, "failed": {"refused": 200, "status 503": 300}}},
    "rotations": {"manual succeeded": 1, "manual failed": 1},
    "notSent": 0,
    "messagesSeen": 1,
    "answers": {"200": 9_810, "404": 90, "503": 100},
}


def failing(failed: int, calls: int = 50_000) -> dict[str, Any]:
    return {"upstream": {"Key Vault": {"calls": calls, "failed": {"refused": failed}}}}


@pytest.mark.parametrize("changed", [{}, failing(360), failing(640), failing(2, calls=100)])
def test_a_fair_trial(changed: dict[str, Any]) -> None:
    assert trial(FAIR | changed, kills=2) == []


@pytest.mark.parametrize(
    ("changed", "finding"),
    [
        ({"hold": {"p95": 250.1}}, "p95 was 250.1 ms: the rate held was too high for this machine just now"),
        ({"kills": 1}, "the host was killed 1 times, not 2"),
        (failing(340), "Key Vault: 340 of 50000 calls failed, and 1% should have"),
        (failing(660), "Key Vault: 660 of 50000 calls failed, and 1% should have"),
        (failing(10, calls=100), "Key Vault: 10 of 100 calls failed, and 1% should have"),
        (failing(0, calls=0), "Key Vault: 0 of 0 calls failed, and 1% should have"),
        ({"rotations": {"manual failed": 5}}, "nothing was rotated"),
        ({"notSent": 1}, "1 requests of the hold were not sent, as so many were waiting"),
        ({"messagesSeen": 0}, "no message was seen in a queue"),
        ({"answers": {"200": 9_800, "503": 200}}, "200 of 10000 answers were 5xx, and 1% may be"),
        ({"answers": {"200": 9_800, "404": 100, "409": 100}}, "200 of 10000 answers were 4xx, and 1% may be"),
        ({"answers": {"503": 3}}, "3 of 3 answers were 5xx, and 1% may be"),
    ],
)
def test_a_run_without_faults_kills_or_rotations_proves_nothing(changed: dict[str, Any], finding: str) -> None:
    assert trial(FAIR | changed, kills=2) == [finding]
