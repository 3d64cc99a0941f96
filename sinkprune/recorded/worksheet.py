"""The worksheet: tasks whose links open exact scenes, with answers read off the recordings, so that a new model brings new answers.

A task is {"title", "text", "link" (query of this page, or None), "lines" (room for the answer), "answer"}; tasks whose recording this model
does not have are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from sinkprune.recorded.presets import Preset
from sinkprune.recorded.watched import Watched

Task = dict[str, object]
EXERCISE_WEIGHTS = 4


def worksheet(presets: Sequence[Preset], table: dict | None, scope: dict | None) -> list[Task]:
    """The tasks. table: a summary (recorded.table_summary). scope: the recorded microscope (recorded.microscope)."""
    runs = {preset.name: (preset, Watched(preset.trace)) for preset in presets}
    found = [_forwards(runs), _order(runs), _moves(runs), _variance(runs), _scores(scope), _results(table)]
    return [task for task in found if task]


def _task(title: str, text: str, link: str | None, lines: int, answer: str) -> Task:
    return {"title": title, "text": text, "link": link, "lines": lines, "answer": answer}


def _scene(preset: Preset, **look: int) -> str:
    return "?" + urlencode({"preset": preset.name, **look})


def _forwards(runs: dict) -> Task | None:
    if "parallel" not in runs:
        return None
    preset, run = runs["parallel"]
    counts = [len(frame["committed"]) for frame in run.frames]
    most = max(counts)
    causal = next((lane for lane in run.trace["lanes"] if lane["kind"] == "ar"), None)
    beside = (
        f" The autoregressive lane needs {len(causal['frames'])}: one forward pass for every token it writes."
        if causal
        else ""
    )
    return _task(
        "Several words at once",
        "Step through the diffusion lane. How many forward passes does it take, and how many positions does the busiest of them write?",
        _scene(preset, step=1),
        2,
        f"{run.steps} forward passes for {sum(counts)} positions; the busiest (step {counts.index(most) + 1}) writes {most}.{beside}",
    )


def _order(runs: dict) -> Task | None:
    if "writing" not in runs:
        return None
    preset, run = runs["writing"]
    first = [position for position, *_ in run.frames[0]["committed"]]
    jump = next((step for step in range(1, run.steps) if _left_of_written(run, step)), None)
    said = f"Step {jump + 1}." if jump is not None else "Never: this run was written in order."
    return _task(
        "Out of order",
        "Which step is the first that writes a token to the left of one that was written before? What would a typewriter have done?",
        _scene(preset, step=1),
        2,
        f"{said} The first step wrote position {' and '.join(map(str, first))}. A typewriter, like the autoregressive lane, moves right.",
    )


def _left_of_written(run: Watched, step: int) -> bool:
    before = [position for frame in run.frames[:step] for position, *_ in frame["committed"]]
    return any(position < max(before) for position, *_ in run.frames[step]["committed"])


def _moves(runs: dict) -> Task | None:
    if "writing" not in runs:
        return None
    preset, run = runs["writing"]
    layer = preset.trace["view"]["layer"]
    reigns = run.reigns(layer)
    path = ", ".join(f"{run.token_at(reign.position, reign.first)} from step {reign.first + 1}" for reign in reigns)
    causal = run.causal(layer)
    beside = f" Autoregressively: {causal.moves} changes." if causal else ""
    return _task(
        "Follow the lead",
        "The marked token receives most attention. Press M to jump to the steps at which the mark moves. List the tokens it visits.",
        _scene(preset, step=1),
        4,
        f"{path}: {len(reigns) - 1} changes.{beside}",
    )


def _variance(runs: dict) -> Task | None:
    if "contrast" not in runs:
        return None
    preset, run = runs["contrast"]
    layer = preset.trace["view"]["layer"]
    diffusion, causal = run.diffusion(layer), run.causal(layer)
    return _task(
        "How far sinks travel",
        "Read the temporal variance in the head of both lanes. Take the square root: how many tokens? What does a variance of 0 mean?",
        _scene(preset),
        3,
        f"Diffusion {diffusion.temporal_variance:.0f} tokens², about {diffusion.temporal_variance**0.5:.0f} tokens; autoregressive "
        f"{causal.temporal_variance:.2g} tokens². 0 means that the centre of the sinks never leaves its place.",
    )


def _scores(scope: dict | None) -> Task | None:
    if scope is None:
        return None
    row = scope["rows"].index(scope["row"])
    here = _columns(scope, row)
    weights = [round(abs(scope["weight"][row][column]), 3) for column in here]
    plain, norms = ([round(scope[name][column], 2) for column in here] for name in ("normPlain", "norm"))
    half = EXERCISE_WEIGHTS // 2

    def go(values: list[float]) -> str:
        scores = [weight * norm for weight, norm in zip(weights, values, strict=True)]
        order = sorted(range(len(scores)), key=scores.__getitem__)[:half]
        return f"{' and '.join(str(number + 1) for number in sorted(order))} ({', '.join(f'{score:.3f}' for score in scores)})"

    return _task(
        "Prune by hand",
        f"Four weights of one row, sizes {', '.join(map(str, weights))}, have inputs with the norms {', '.join(map(str, plain))}. "
        "Score = size x norm. Which two go at 50 %? "
        f"With the sinks weighted down the norms are {', '.join(map(str, norms))}. Which two go now?",
        None,
        4,
        f"Without the sink weight {go(plain)}; with it {go(norms)}. Real numbers of layer {scope['layer'] + 1}, row {scope['row']}: in the "
        f"whole row {scope['flippedRow']} decisions change.",
    )


def _columns(scope: dict, row: int) -> list[int]:
    """Four inputs of the patch whose scores lie nearest to the cut, so that the exercise is a close one; from left to right."""
    cut = scope["cutPlain"][row]
    near = sorted(range(len(scope["columns"])), key=lambda column: abs(scope["scorePlain"][row][column] - cut))
    return sorted(near[:EXERCISE_WEIGHTS])


def _results(table: dict | None) -> Task | None:
    gains = [gain for gain in (table or {}).get("gains", []) if gain["kind"] == "ablation"]
    if not gains:
        return None
    ties = sum(gain["verdict"] == "tie" for gain in gains)
    return _task(
        "Read an honest table",
        "Find the comparisons that switch only the sink weight on and off. In how many does the interval hold 0? What may one "
        "conclude from such an interval, and what not?",
        "?tab=table",
        3,
        f"In {ties} of {len(gains)}. One may not conclude that the weight helps or harms there, "
        "nor that it does nothing.",
    )
