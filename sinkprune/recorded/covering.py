"""What covering the sinks costs, as the page reads it from assets/covering.json: nats per token that the dense answer loses.

The file: {"model", "prompts" (how many), "rows": [{"lane" ("dlm" or "ar"), "which" ("leading" or "random"), "count" (tokens covered at each
step), "nats": [mean, low, high] (95 %, over prompts, above the same lane without a cover)}]}. Both lanes define their sinks alike.
"""

from __future__ import annotations

import json
from pathlib import Path

FILE = Path(__file__).resolve().parents[2] / "assets" / "covering.json"


def load_covering(path: Path = FILE) -> dict | None:
    """What was measured; None where nothing was."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def covered(covering: dict, lane: str, which: str, count: int) -> list[float] | None:
    """[mean, low, high] nats per token; None where that was not measured."""
    rows = covering["rows"]
    return next(
        (row["nats"] for row in rows if (row["lane"], row["which"], row["count"]) == (lane, which, count)), None
    )
