"""What a run says in the end: on the screen, and as `bench/results/load.json`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from bench.load.caller import Caller
from bench.load.evidence import Evidence
from bench.load.pace import Pace
from bench.load.samples import Phase, percentile
from bench.machine import machine, versions

RESULT = Path("bench/results/load.json")
SHOWN = 10
"""Findings of one promise that are printed; the file has all."""


def held(caller: Caller, seconds: float) -> dict[str, Any]:
    """The rate and the p95 of the answers in the five minutes, outside the gaps."""
    samples = caller.samples
    answered = samples.answered(Phase.HOLD)
    up = seconds - sum(gap.ready - gap.killed for gap in samples.gaps)
    return {
        "seconds": round(seconds, 1),
        "secondsUp": round(up, 1),
        "answers": len(answered),
        "answersPerSecond": round(len(answered) / up, 1),
        "p95": round(percentile((sample.seconds for sample in answered), 0.95) * 1000, 1),
    }


def rotations(found: Evidence) -> dict[str, int]:
    """Finished runs by trigger and outcome, as the events tell them."""
    runs = {event["id"]: event for event in found.events if event["type"].startswith("rotation.")}
    counts = Counter(f"{run['data']['trigger']} {run['type'].removeprefix('rotation.')}" for run in runs.values())
    return dict(sorted(counts.items()))


def document(caller: Caller, pace: Pace, figures: dict[str, Any], verdicts: dict[str, list[str]]) -> dict[str, Any]:
    """All of it."""
    ledger, samples = caller.ledger, caller.samples
    wishes = ledger.wishes
    return {
        "machine": machine(),
        "versions": versions(),
        **figures,
        "requests": {phase.value: samples.by_status(phase) for phase in (Phase.SEARCH, Phase.HOLD)},
        "whileTheHostWasDown": samples.gap_counts(),
        "milliseconds": samples.times(Phase.HOLD),
        "windows": pace.windows,
        "connections": {
            "created": sum(wish.made for wish in wishes),
            "refused": sum(wish.refused for wish in wishes),
            "withoutFinalAnswer": sum(wish.open and wish.key is not None for wish in wishes),
            "linksNotFinished": sum(wish.open and wish.key is None for wish in wishes),
            "askedAgain": sum(wish.tries > 1 for wish in wishes),
            "deleted": sum(wish.deleted for wish in wishes),
        },
        "tokens": ledger.tokens,
        "rotationsAskedFor": sum(len(wish.rotations) for wish in wishes),
        "verdicts": {promise: findings or "kept" for promise, findings in verdicts.items()},
    }


def write(result: dict[str, Any], path: Path) -> None:
    """As JSON, with a line for each figure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")


def tell(result: dict[str, Any]) -> str:
    """The same for people."""
    lines = ["", f"{'route':<34}{'p50':>8}{'p95':>8}{'p99':>8} ms   answers by status"]
    counts = result["requests"]["hold"]
    for route in ["all", *counts]:
        times = result["milliseconds"].get(route, {})
        spent = "".join(f"{times.get(name, '-'):>8}" for name in ("p50", "p95", "p99"))
        lines.append(f"{route:<34}{spent}      {_counted(counts.get(route, {}))}")
    hold, failed = result["hold"], result["upstream"]["all"]
    number = sum(failed["failed"].values())
    lines += [
        "",
        f"held             {hold['answersPerSecond']} answers/s for {hold['secondsUp']} s, p95 {hold['p95']} ms",
        f"host             killed {result['kills']} times, ready again after {result['downSeconds']} s",
        f"  meanwhile      {_counted(result['whileTheHostWasDown'])}",
        f"upstream         {failed['calls']} calls, {number} failed ({number / failed['calls']:.2%})",
        f"  failed         {_counted(failed['failed'])}",
        f"connections      {_counted(result['connections'])}",
        f"tokens           {result['tokens']}",
        f"rotations        {_counted(result['rotations'])}",
        f"came to rest     after {result['restSeconds']} s; upkeep then found {_counted(result['upkeep'])}",
        "",
    ]
    for promise, findings in result["verdicts"].items():
        broken = [] if findings == "kept" else findings
        lines.append(f"{'BROKEN' if broken else 'kept':<8} {promise}")
        lines += [f"           {finding}" for finding in broken[:SHOWN]]
        if len(broken) > SHOWN:
            lines.append(f"           … and {len(broken) - SHOWN} more")
    return "\n".join(lines)


def _counted(counts: dict[str, Any]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counts.items()) or "nothing"
