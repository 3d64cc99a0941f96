"""What covering the sinks costs, for the claims and Learn: bits per token that the dense answer loses, out of assets/what-if.json.

Only covers that are chosen for each head, and where both lanes define their sinks alike (recorded.what_if_summary).
"""

from __future__ import annotations

from pathlib import Path

from sinkprune.recorded.what_if import FILE, load_what_if
from sinkprune.traces.numbers import bits


def load_covering(path: Path = FILE) -> dict | None:
    """{"model", "prompts" (how many), "rows": [{"lane" ("dlm", "ar"), "which", "count", "nats": [mean, low, high]}]}, or None."""
    summary = load_what_if(path)
    if summary is None:
        return None
    rows = [row for row in summary["rows"] if row["kind"] == "cover" and row["scope"] == "per head"]
    return {"model": summary["model"], "prompts": summary["prompts"], "rows": rows}


def covered(covering: dict, lane: str, which: str, count: int) -> list[float] | None:
    """[mean, low, high] bits per token; None where that was not measured."""
    rows = (row for row in covering["rows"] if (row["lane"], row["which"], row["count"]) == (lane, which, count))
    return next(([bits(nats) for nats in row["nats"]] for row in rows), None)


def one_covered(covering: dict | None) -> dict[tuple[str, str], list[float]] | None:
    """(lane, which) -> [mean, low, high] bits per token with one token covered; None where one of the four was not measured."""
    if covering is None:
        return None
    lost = {
        (lane, which): covered(covering, lane, which, 1) for lane in ("dlm", "ar") for which in ("leading", "random")
    }
    return None if None in lost.values() else lost
