"""The sinks of a set of prompts, recorded once so that the paper's Fig. 2, 4 and 5 over many runs are there at once.

    python -m sinkprune.recorded.prompt_set [--model NAME]     # writes assets/sinks.json

The file: {"model", "settings", "typical", "runs": [run, …], "stages": [lane, …]}. A run is one lane of one prompt in one layer (null: the
mean over all layers). A run has the centroid of every step (null: no sink), the moves of the leading sink and both variances.
"stages" holds the lanes of the typical prompt at 25, 50 and 75 % of the steps. The typical prompt's diffusion lane has the median temporal
variance. Maps are base64 uint8 (L, H, N) of 255 sqrt(share), as in a trace.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sinkprune.decoding import DecodeConfig
from sinkprune.models import LoadedModel, load_model
from sinkprune.traces.runs import finish, trace_run
from sinkprune.traces.shares import from_base64, from_levels, to_base64, to_levels
from sinkprune.traces.sink_statistics import CONFIG, PROMPTS, LaneStatistics, layer_statistics, trace_statistics
from sinkprune.traces.stages import Stages, trace_stages

PROMPT_SET = Path(__file__).resolve().parents[2] / "assets" / "sinks.json"


@dataclass(frozen=True)
class PromptSet:
    """model, settings: as in a trace. lanes: every lane of every prompt, in the mean over all layers (layer None) and in each layer;
    their sinks and leaders were not kept: (T, 0) and (0,). stages: the lanes of the prompt `typical`.
    """

    model: dict
    settings: dict
    lanes: list[LaneStatistics]
    typical: str
    stages: list[Stages]

    @property
    def prompts(self) -> list[str]:
        return list(dict.fromkeys(lane.prompt for lane in self.lanes))

    def in_layer(self, layer: int | None) -> list[LaneStatistics]:
        """The lanes of all prompts in one layer or, for None, in the mean over all."""
        return [lane for lane in self.lanes if lane.layer == layer]

    @property
    def layers(self) -> list[LaneStatistics]:
        """The lanes of all prompts in every single layer."""
        return [lane for lane in self.lanes if lane.layer is not None]


def record_prompt_set(
    loaded: LoadedModel, prompts: Sequence[str] = PROMPTS, config: DecodeConfig = CONFIG
) -> PromptSet:
    """Run every prompt in both lanes, or only by diffusion where the weights are not causal too, and print how much the sinks move.

    Raises ValueError without prompts.
    """
    if not prompts:
        raise ValueError("a prompt set needs at least one prompt")
    kinds = ("dlm", "ar") if loaded.spec.causal else ("dlm",)
    lanes, stages, variances = [], [], []
    for number, prompt in enumerate(prompts, 1):
        trace = finish(trace_run(loaded, prompt, config, kinds))
        means = trace_statistics(trace)
        lanes += [_numbers_only(lane) for lane in [*means, *layer_statistics(trace)]]
        stages.append(trace_stages(trace))
        variances.append(means[0].temporal_variance)
        print(
            f"{number}/{len(prompts)} {prompt!r}: {', '.join(f'{lane.kind} {lane.temporal_variance:.3g}' for lane in means)} tokens²"
        )
    order = np.argsort(variances, kind="stable")  # NaN, a run without sinks, comes last
    typical = int(order[(len(order) - 1) // 2])
    return PromptSet(trace["model"], asdict(config), lanes, prompts[typical], stages[typical])


def _numbers_only(lane: LaneStatistics) -> LaneStatistics:
    return LaneStatistics(
        **{**vars(lane), "text": "", "sinks": np.zeros((len(lane.centroids), 0), bool), "leaders": np.zeros(0, int)}
    )


def write_prompt_set(found: PromptSet, path: Path = PROMPT_SET) -> None:
    """One run a line, so that recording again shows what changed."""
    head = {"model": found.model, "settings": found.settings, "typical": found.typical}
    lists = {
        "runs": [_stored_run(lane) for lane in found.lanes],
        "stages": [_stored_stages(lane) for lane in found.stages],
    }
    parts = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in head.items()]
    for key, rows in lists.items():
        lines = ",\n".join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
        parts.append(f"{json.dumps(key)}: [\n{lines}\n]")
    path.write_text("{" + ",\n".join(parts) + "}\n", encoding="utf-8")


def load_prompt_set(path: Path = PROMPT_SET) -> PromptSet | None:
    """What was recorded; None where nothing was. Raises ValueError for a damaged file."""
    if not path.exists():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        shape = (stored["model"]["layers"], stored["model"]["heads"], -1)
        return PromptSet(
            model=stored["model"],
            settings=stored["settings"],
            lanes=[_read_run(row) for row in stored["runs"]],
            typical=stored["typical"],
            stages=[_read_stages(row, shape) for row in stored["stages"]],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path.name} is damaged ({error}): record it again with `python -m sinkprune.recorded.prompt_set`"
        ) from error


def _stored_run(lane: LaneStatistics) -> dict:
    return {
        "prompt": lane.prompt,
        "kind": lane.kind,
        "title": lane.title,
        "layer": lane.layer,
        "moves": lane.moves,
        "spatial_variance": _number(lane.spatial_variance, 4),
        "temporal_variance": _number(lane.temporal_variance, 4),
        "centroids": [_number(value, 2) for value in lane.centroids.tolist()],
    }


def _number(value: float, digits: int) -> float | None:
    return None if math.isnan(value) else round(value, digits)


def _read_run(row: dict) -> LaneStatistics:
    numbers = {key: math.nan if row[key] is None else row[key] for key in ("spatial_variance", "temporal_variance")}
    centroids = np.array(row["centroids"], float)  # None becomes NaN
    kept = {key: row[key] for key in ("prompt", "kind", "title", "layer", "moves")}
    return LaneStatistics(
        **kept, **numbers, text="", centroids=centroids,
        sinks=np.zeros((len(centroids), 0), bool), leaders=np.zeros(0, int),
    )  # fmt: skip


def _stored_stages(lane: Stages) -> dict:
    visible = np.isfinite(lane.masses[:, 0, 0]).sum(1)
    shares = np.nan_to_num(lane.masses / visible[:, None, None, None])
    return {
        "title": lane.title,
        "names": lane.names,
        "steps": lane.steps,
        "visible": visible.tolist(),
        "heads": [to_base64(stage) for stage in to_levels(shares)],
    }


def _read_stages(row: dict, shape: tuple[int, int, int]) -> Stages:
    shares = from_levels(np.stack([from_base64(stage).reshape(shape) for stage in row["heads"]]))
    visible = np.array(row["visible"])[:, None, None, None]
    masses = np.where(np.arange(shares.shape[-1]) < visible, shares * visible, np.nan).astype(np.float32)
    return Stages(row["title"], row["names"], row["steps"], masses)


def main(arguments: Sequence[str] | None = None) -> None:
    """Record the sinks of the prompt set into assets/sinks.json."""
    parser = argparse.ArgumentParser(prog="python -m sinkprune.recorded.prompt_set", description=main.__doc__)
    parser.add_argument("--model", default="bundled", help="registry name, folder or hub id")
    parser.add_argument("--file", type=Path, default=PROMPT_SET)
    options = parser.parse_args(arguments)
    found = record_prompt_set(load_model(options.model))
    write_prompt_set(found, options.file)
    print(f"{options.file.name}: {options.file.stat().st_size / 1024:.0f} KB, {len(found.prompts)} prompts")
    print(f"typical prompt, shown in full: {found.typical!r}")


if __name__ == "__main__":
    main()
