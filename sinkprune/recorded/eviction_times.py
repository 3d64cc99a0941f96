"""What dropping keys saves in time, as `python -m sinkprune.benchmarks.eviction` measured it and as the page shows it.

The file: {"model", "dtype", "threads", "machine", "torch", "block", "rounds", "rows": [{"canvas", "retention" (null: the full forward),
"touched" (share of the canvas's keys that attention reads), "cpu" (median seconds), "wall" (best seconds), "ratio"}]}.
"""

from __future__ import annotations

import json
from pathlib import Path

from sinkprune.lab.card import threads
from sinkprune.traces.numbers import percent

FILE = Path(__file__).resolve().parents[2] / "assets" / "eviction-time.json"
RETENTIONS = (1.0, 0.5, 0.25, 0.125, 0.0)


def load_times(path: Path = FILE) -> dict | None:
    """What was measured; None where nothing was."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def times_table(found: dict) -> str:
    """A table: canvases x retentions, ratio of CPU time and share of keys read, beside the seconds that they are shares of."""
    rows = {(row["canvas"], row["retention"]): row for row in found["rows"]}
    lines = [
        "| canvas | retention 1, ms | 0.5 | 0.25 | 0.125 | 0 (floor) | full forward, ms |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for canvas in dict.fromkeys(row["canvas"] for row in found["rows"]):
        cut = [rows[canvas, retention] for retention in RETENTIONS[1:]]
        cells = [f"{row['ratio']:.2f} ({percent(row['touched'])})" for row in cut]
        whole, full = (1000 * rows[canvas, name]["cpu"] for name in (1.0, None))
        lines.append(f"| {canvas} | {whole:.0f} | {' | '.join(cells)} | {full:.0f} |")
    said = (
        f"CPU time of one forward of a block of {found['block']} tokens over cached keys, as a share of that with all keys. In brackets: "
        f"share of the canvas's keys that attention reads. Median of {found['rounds']} rounds in turns; {found['model']}, "
        f"{found['dtype']}, {threads(found['threads'])}, {found['machine']}, other work beside it."
    )
    return "\n".join([said, "", *lines])
