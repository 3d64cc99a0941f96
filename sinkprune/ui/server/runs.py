"""What page and API run: a request becomes a stream that waits in its line, is shared while it is under way, and is kept when it has ended.

`watched` and `compared` yield pairs (LIVE, SHARED or KEPT, value). Values are places in a line (`Waiting`), growing traces, and for a
comparison `PruneProgress`, `Pruned` and, last, `Compared`. All of them may be shown to several visitors: nobody changes them.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gradio.context import LocalContext

from sinkprune.lab.comparison import Comparison, measure_steps
from sinkprune.lab.request import Request
from sinkprune.lab.store import store_key
from sinkprune.lab.what_if import LaneResult, results
from sinkprune.models import LoadedModel
from sinkprune.pruning import CalibrationConfig, PruneConfig, PruneProgress, PruneResult
from sinkprune.pruning.settings import layer_sparsity
from sinkprune.traces.controls import changes_of
from sinkprune.traces.runs import check_prompt, compare_run, trace_run
from sinkprune.traces.touch import check_touch, touch_run, touched_change
from sinkprune.ui.events import now_and_then, telling
from sinkprune.ui.server.kept_runs import LIVE, KeptRuns
from sinkprune.ui.server.scheduler import LONG, SHORT, Waiting

if TYPE_CHECKING:
    from sinkprune.ui.server.workbench import Workbench

KEPT_BYTES = 128 * 2**20  # about forty runs of the bundled model with two lanes
FRAME_BYTES = 2000  # of a frame beside its long texts
GUESSES_BYTES = 1000  # of the candidates of one position, as objects in memory


@dataclass(frozen=True)
class Pruned:
    """What became of the copy. was_kept: it had been made before, for this or another visitor. recorded: see `PruneResult`."""

    sparsity: float
    seconds: float
    was_kept: bool
    recorded: bool = False


@dataclass(frozen=True)
class Compared:
    """A finished comparison, without its models. layers: sparsity of each layer, in layer order."""

    trace: dict
    comparison: Comparison
    layers: list[float]


@dataclass(frozen=True)
class Tried:
    """A finished run that was changed while it wrote, and what is measured of its lanes so far; all of them in the last value."""

    trace: dict
    lanes: list[LaneResult]


@dataclass(frozen=True)
class Before:
    """The run that is going to be touched, as far as it is written."""

    trace: dict


def kept_runs() -> KeptRuns:
    """An empty store for the runs of one dense model."""
    return KeptRuns(KEPT_BYTES, run_bytes, passing=(Waiting, PruneProgress, Before))


def run_bytes(values: list) -> int:
    """What a finished run takes: earlier traces share the frames of the last one."""
    last = values[-1].trace if isinstance(values[-1], Compared | Tried) else values[-1]
    frames = [frame for lane in last["lanes"] for frame in lane["frames"]]
    guesses = sum(len(frame.get("candidates", ())) for frame in frames) * GUESSES_BYTES
    return guesses + sum(len(frame["heads"]) + len(frame["share"]) + FRAME_BYTES for frame in frames)


def visitor() -> str:
    """Who asks, in an event of the page or the API; "" outside of one."""
    request = LocalContext.request.get(None)
    return getattr(request, "session_hash", None) or ""


def seen_as(how: str, trace: dict) -> dict:
    """The trace as one visitor's: a run that is seen again has its own id, after a dot, so that a player begins anew."""
    return trace if how == LIVE else {**trace, "run": f"{trace['run']}.{uuid.uuid4().hex[:8]}"}


def watched(
    bench: Workbench, dense: LoadedModel, asked: Request, slowly: bool = True
) -> Iterator[tuple[str, Waiting | dict]]:
    """The dense model writes in the lanes asked for. slowly: see `KeptRuns.run`. Raises ValueError at the first step."""

    def make() -> Iterator[Waiting | dict]:
        return bench.lines.run(SHORT, _write(dense, asked), visitor(), kind=f"{len(asked.lanes)} lanes")

    return bench.kept.run(f"watched {asked.key}", make, slowly)


def tried(
    bench: Workbench, dense: LoadedModel, asked: Request, slowly: bool = True
) -> Iterator[tuple[str, Waiting | dict | Tried]]:
    """A request with controls: its lanes write, then they are measured. slowly: see `KeptRuns.run`. Raises ValueError at the first step."""

    def make() -> Iterator[Waiting | dict | Tried]:
        return bench.lines.run(SHORT, _measured(_write(dense, asked), dense, asked), visitor(), kind="what if")

    return bench.kept.run(f"tried {asked.key}", make, slowly)


def _write(dense: LoadedModel, asked: Request) -> Iterator[dict]:
    return trace_run(
        dense, asked.prompt, asked.decoding, asked.lanes,
        intervention=asked.intervention, blanks=asked.blanks, controls=asked.controls,
        candidates=asked.closely, value_norms=asked.closely,
    )  # fmt: skip


def _measured(writing: Iterator[dict], dense: LoadedModel, asked: Request) -> Iterator[dict | Tried]:
    with closing(writing) as steps:
        for trace in steps:
            yield trace
    changes = changes_of(asked.lanes[0], asked.decoding, asked.intervention, controls=True)
    for lanes in results(dense, trace, changes):
        yield Tried(trace, lanes)


def run_of(asked: Request) -> Callable[..., Iterator]:
    """Which of the functions here makes a request without a copy."""
    return touched if asked.touch else tried if asked.controls else watched


def touched(
    bench: Workbench, dense: LoadedModel, asked: Request, slowly: bool = True
) -> Iterator[tuple[str, Waiting | Before | dict]]:
    """A lane of a run as it was, and beside it the same lane touched. slowly: see `KeptRuns.run`. Raises ValueError at the first step.

    The run before the touch is taken from those kept; else it is written first.
    """
    change = asked.lanes, asked.decoding, asked.intervention, asked.controls
    kind, changed = touched_change(asked.touch.lane, *change)
    who = visitor()

    def make() -> Iterator[Waiting | Before | dict]:
        check_touch(dense, asked.touch, kind)
        return going_on()

    def going_on() -> Iterator[Waiting | Before | dict]:
        with closing(_before(bench, dense, asked)) as steps:
            for step in steps:
                yield step
        resumed = touch_run(dense, step.trace, asked.touch, changed)
        with closing(bench.lines.run(SHORT, resumed, who, kind="touched")) as steps:
            yield from steps

    return bench.kept.run(f"touched {asked.key}", make, slowly)


def _before(bench: Workbench, dense: LoadedModel, asked: Request) -> Iterator[Waiting | Before]:
    """The run that is touched; its whole trace comes last."""
    before = replace(asked, touch=asked.touch.before)
    with closing(run_of(before)(bench, dense, before, slowly=False)) as steps:
        for _, value in steps:
            trace = value.trace if isinstance(value, Before | Tried) else value
            yield value if isinstance(value, Waiting | Before) else Before(trace)
            if isinstance(value, Tried) or (isinstance(value, dict) and all(lane["done"] for lane in trace["lanes"])):
                return  # nobody waits for its measurements


def compared(
    bench: Workbench, dense: LoadedModel, asked: Request, slowly: bool = True
) -> Iterator[tuple[str, Waiting | PruneProgress | Pruned | dict | Compared]]:
    """Prune, or take the kept copy; both write; both are measured. slowly: see `KeptRuns.run`. Raises ValueError at the first step."""
    who = visitor()

    def make() -> Iterator:
        check_prompt(dense, asked.prompt, asked.decoding.gen_length)
        return _compare(bench, dense, asked, who)

    return bench.kept.run(f"compared {asked.key}", make, slowly)


def _compare(bench: Workbench, dense: LoadedModel, asked: Request, who: str) -> Iterator:
    was_kept = True
    with closing(pruned(bench, dense, asked.pruning, asked.calibration, who)) as steps:
        for step in now_and_then(steps, PruneProgress):
            if not isinstance(step, PruneResult):
                was_kept = False
                yield step
    yield Pruned(step.sparsity, step.seconds, was_kept, step.recorded)
    with closing(bench.lines.run(SHORT, _write_and_measure(dense, step, asked), who, kind="compared")) as written:
        yield from written


def _write_and_measure(dense: LoadedModel, result: PruneResult, asked: Request) -> Iterator[dict | Compared]:
    made = asked.pruning, asked.calibration
    key = store_key(dense.spec, *made)
    with closing(compare_run(dense, result.loaded, key, asked.prompt, asked.decoding, *made)) as steps:
        for trace in steps:
            yield trace
    measuring = measure_steps(dense, result, trace, asked.decoding, *made)
    comparison = yield from telling(measuring, lambda known: trace)  # the trace again: who waits can leave in between
    yield Compared(trace, comparison, layer_sparsity(result.masks))


def pruned(
    bench: Workbench, dense: LoadedModel, pruning: PruneConfig, calibration: CalibrationConfig, who: str
) -> Iterator[Waiting | PruneProgress | PruneResult]:
    """A copy of `dense`, at once where it is kept, else after its turn; the result comes last.

    The line is the short one where the dense model's statistics are at hand and no Hessian is needed: a second's work.
    """
    key = store_key(dense.spec, pruning, calibration)
    steps = bench.prune(pruning, calibration, dense)
    if key in bench.store:
        return steps
    quick = bench.is_at_hand(pruning, calibration) and not pruning.record.second_order
    return bench.lines.run(SHORT if quick else LONG, steps, who, pruning.method, needless=lambda: key in bench.store)
