"""The summary of what changing attention costs, from the cells of `recorded.what_if`. Pure functions.

The file has the first line of the cells, and "prompts" (how many are complete), "draws" (of masks, for each prompt), "untouched" ("cache",
"cache, delay 1", "dlm", "ar" -> nats per token). An interval is [mean, low, high], 95 %, paired over prompts, in nats per token:

    rows    {"kind" ("cache", "cover", "heads"), "lane", "which", "nats" (above untouched), "above_random" (above the random control at the
            same budget, or null)} and, by kind, "retention"; "count" and "scope" ("per head", "everywhere", "paper"); "share" of all heads
    lanes   {"count", "scope", "nats"}: what covering the leading tokens costs the autoregressive lane more than diffusion, same tokens
    texts   {"prompts", "rows": [{"lane", "key", "nats" (mean), "above" (interval above the dense text), "agreement", "forwards" (means)}]}
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple

import numpy as np

from sinkprune.decoding.interventions import HEADS
from sinkprune.lab.intervals import crossed_interval
from sinkprune.recorded.what_if_settings import COUNTS, DENSE, HEAD_SHARES, Cut, covers, cuts

MEASURED = ("cache", "canvas", "causal")


def summarise(about: dict, cells: Sequence[dict]) -> dict:
    """The summary over the prompts of which every part but their texts is measured. Raises ValueError below 2 such prompts."""
    values = {(cell["part"], cell["prompt"]): cell["values"] for cell in cells}
    complete = sorted(
        number for part, number in values if part == "cache" and all((one, number) in values for one in MEASURED)
    )
    if len(complete) < 2:
        raise ValueError(f"{len(complete)} prompts are measured: an interval needs at least 2")
    parts = {part: _columns([values[part, number] for number in complete]) for part in MEASURED}
    return about | {
        "prompts": len(complete),
        "draws": 1,
        "untouched": {name: float(values.mean()) for name, values in _untouched(parts).items()},
        "rows": [*_cache_rows(parts["cache"]), *_cover_rows(parts), *_head_rows(parts["canvas"])],
        "lanes": _lanes(parts),
        "texts": _texts([cell["values"] for cell in cells if cell["part"] == "texts"]),
    }


def _columns(cells: Sequence[dict]) -> dict[str, np.ndarray]:
    """Key -> (prompts,)."""
    return {key: np.array([cell[key] for cell in cells]) for key in cells[0]}


def _untouched(parts: dict) -> dict[str, np.ndarray]:
    return {
        "cache": parts["cache"][_whole(0).key],
        "cache, delay 1": parts["cache"][_whole(1).key],
        "dlm": parts["canvas"][DENSE],
        "ar": parts["causal"][DENSE],
    }


def _whole(delay: int) -> Cut:
    """The cut that drops nothing, with this delay."""
    return next(cut for cut in cuts() if cut.retention == 1 and cut.delay == delay)


def _interval(values: np.ndarray) -> list[float]:
    return [round(value, 4) for value in astuple(crossed_interval(values[None]))]


def _cache_rows(cells: dict[str, np.ndarray]) -> list[dict]:
    return [
        {
            "kind": "cache", "lane": "dlm", "which": cut.policy if cut.retention else "nothing", "retention": cut.retention,
            "nats": _interval(cells[cut.key] - cells[_whole(cut.delay).key]),
            "above_random": _above(cells, cut.key, Cut("random", cut.retention).key) if not cut.delay else None,
        }
        for cut in cuts()
    ]  # fmt: skip


def _above(cells: dict[str, np.ndarray], key: str, control: str) -> list[float] | None:
    return _interval(cells[key] - cells[control]) if control in cells and control != key else None


def _cover_rows(parts: dict) -> list[dict]:
    rows = []
    for lane, part in (("dlm", "canvas"), ("ar", "causal")):
        cells = parts[part]
        for change in covers(lane):
            control = f"cover random {change.asked.count} {change.scope}"
            rows.append(
                {
                    "kind": "cover", "lane": lane, "which": change.asked.which, "count": change.asked.count,
                    "scope": change.scope, "nats": _interval(cells[change.key] - cells[DENSE]),
                    "above_random": _above(cells, change.key, control),
                }
            )  # fmt: skip
    return rows


def _head_rows(cells: dict[str, np.ndarray]) -> list[dict]:
    return [
        {
            "kind": "heads", "lane": "dlm", "which": which, "share": share,
            "nats": _interval(cells[f"heads {which} {share:g}"] - cells[DENSE]),
            "above_random": _above(cells, f"heads {which} {share:g}", f"heads random {share:g}"),
        }
        for share in HEAD_SHARES
        for which in HEADS
    ]  # fmt: skip


def _lanes(parts: dict) -> list[dict]:
    lost = {
        part: {key: values - cells[DENSE] for key, values in cells.items()}
        for part, cells in parts.items()
        if DENSE in cells
    }
    return [
        {"count": count, "scope": scope, "nats": _interval(lost["causal"][key] - lost["canvas"][key])}
        for scope in ("per head", "everywhere")
        for count in COUNTS
        for key in [f"cover leading {count} {scope}"]
    ]


def _texts(cells: Sequence[dict]) -> dict:
    rows = []
    for name in cells[0] if len(cells) > 1 else ():
        lane = "ar" if name.startswith("ar ") else "dlm"
        found = {field: np.array([cell[name][field] for cell in cells]) for field in ("nats", "agreement", "forwards")}
        dense = np.array([cell[f"{lane} {DENSE}"]["nats"] for cell in cells])
        rows.append(
            {"lane": lane, "key": name.split(" ", 1)[1] if not name.startswith("cache ") else name}
            | {field: round(float(values.mean()), 3) for field, values in found.items()}
            | {"above": None if name.endswith(f" {DENSE}") else _interval(found["nats"] - dense)}
        )
    return {"prompts": len(cells), "rows": rows}
