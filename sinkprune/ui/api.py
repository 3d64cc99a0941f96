"""The page's capabilities as named endpoints and MCP tools; `api_fields` holds their parameters.

Every endpoint streams: what it yields last is its answer, which is all that `Client.predict` and an MCP tool return. Who iterates over
`Client.submit` sees it grow, and whose job is cancelled stops the work within a step. While others come first, an endpoint yields
`{"waiting": {"before", "seconds"}}`. "kept" says that the run of an earlier visitor was given. Checks are those of the page, and raise
`gr.Error`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict

import gradio as gr

from sinkprune.decoding import Cover, DecodeConfig, LeaveOutHeads
from sinkprune.lab.all_methods import Underway
from sinkprune.lab.overlap import answer_end
from sinkprune.lab.request import BOTH, WATCHED, Request
from sinkprune.lab.sweep import SweepPoint
from sinkprune.models import decode_answer
from sinkprune.pruning import PruneProgress, PruneResult
from sinkprune.pruning.settings import layer_sparsity
from sinkprune.traces.changes_asked import blanks_asked, intervention_asked
from sinkprune.traces.runs import decode_config, written
from sinkprune.traces.touch import touch_asked
from sinkprune.ui.api_fields import BLANKS, CHANGE, KEYS, RULE, TOUCH, endpoint
from sinkprune.ui.events import now_and_then
from sinkprune.ui.inputs import COPY, calibration_from, copy_from
from sinkprune.ui.sections.all_methods import all_methods, collect, new_table
from sinkprune.ui.sections.sweep import run_sweep
from sinkprune.ui.server.kept_runs import KEPT
from sinkprune.ui.server.runs import Before, Compared, Pruned, Tried, compared, pruned, run_of, visitor
from sinkprune.ui.server.scheduler import SHORT, Waiting
from sinkprune.ui.server.workbench import Workbench
from sinkprune.ui.server.zero_gpu import at_once, gpu_function

Values = Mapping[str, object]  # of an endpoint's parameters, by name


def add_endpoints(bench: Workbench) -> None:
    """Add the endpoints to the Blocks under construction; they wait in the same lines as the page's own runs."""
    all_of_them = Endpoints(bench)
    for name in ("trace", "generate", "prune", "compare", "compare_all", "sweep"):
        function = gpu_function(getattr(all_of_them, name), bench)
        gr.api(function, api_name=name, concurrency_id="model", concurrency_limit=at_once())


class Endpoints:
    """The capabilities on the model of a workbench; a caller gives each the parameters that `endpoint` names."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench

    @endpoint("prompt", *RULE, "autoregressive", "model", *KEYS, *CHANGE, *BLANKS, "controls", *TOUCH)
    def trace(self, values: Values) -> Iterator[dict]:
        """Write an answer and record it: the run as a sinkprune-trace, every step's tokens and attention."""
        loaded = self._bench.check_model(values["model"])
        controls = bool(values["controls"])
        asked = Request(
            loaded.spec.public_name,
            values["prompt"],
            _decoding(values),
            intervention=_intervention(values),
            blanks=blanks_asked(values["blanks"], values["blank_tokens"]),
            controls=controls,
            lanes=(values["controls_lane"],) if controls else BOTH if values["autoregressive"] else WATCHED,
            touch=touch_asked(values["edits"], values["edited_lane"]),
            closely=bool(values["closely"]),
        )
        with closing(run_of(asked)(self._bench, loaded, asked, slowly=False)) as steps:
            for how, value in now_and_then(steps):
                if isinstance(value, Before):
                    yield {"underway": "the run before the touch"}
                elif isinstance(value, Tried):
                    yield {**value.trace, "what_if": [asdict(lane) for lane in value.lanes], "kept": how == KEPT}
                else:
                    yield _place(value) or {**value, "kept": how == KEPT}

    @endpoint("prompt", *RULE, "model", *KEYS, *CHANGE, *BLANKS)
    def generate(self, values: Values) -> Iterator[dict]:
        """Write an answer by diffusion, without recording attention: {text, tokens, forwards, seconds}; tokens up to its end."""
        loaded = self._bench.check_model(values["model"])
        config, intervention = _decoding(values), _intervention(values)
        blanks = blanks_asked(values["blanks"], values["blank_tokens"])
        start, steps = written(loaded, values["prompt"], config, intervention, blanks)
        with closing(self._bench.lines.run(SHORT, steps, visitor(), "generate")) as steps:
            for step in now_and_then(steps):
                if isinstance(step, Waiting):
                    yield _place(step)
                    continue
                answer = step.canvas[0, start:].tolist()
                yield {
                    "text": decode_answer(loaded, answer),
                    "tokens": answer_end(answer, loaded.spec.end_token_ids),
                    "forwards": step.nfe,
                    "seconds": round(step.seconds, 4),
                }

    @endpoint(*COPY, "model")
    def prune(self, values: Values) -> Iterator[dict]:
        """Prune a copy of the model: {key, sparsity, per_layer, seconds, linears}; it is kept for a later compare."""
        loaded = self._bench.check_model(values["model"])
        pruning, calibration = copy_from(values)
        with closing(pruned(self._bench, loaded, pruning, calibration, visitor())) as steps:
            for result in now_and_then(steps, PruneProgress):
                if not isinstance(result, PruneResult):
                    yield _place(result) or {"underway": asdict(result)}
        yield {
            "key": self._bench.key(pruning, calibration),
            "sparsity": result.sparsity,
            "per_layer": layer_sparsity(result.masks),
            "seconds": round(result.seconds, 3),
            "linears": {report.name: report.sparsity for report in result.reports},
        }

    @endpoint("prompt", *COPY, *RULE, "model")
    def compare(self, values: Values) -> Iterator[dict]:
        """Prune, let the dense and the pruned model write the same prompt, and measure both: {trace, card}."""
        loaded = self._bench.check_model(values["model"])
        asked = Request(loaded.spec.public_name, values["prompt"], _decoding(values), *copy_from(values))
        with closing(compared(self._bench, loaded, asked, slowly=False)) as steps:
            for how, value in now_and_then(steps):
                if isinstance(value, PruneProgress):
                    yield {"underway": asdict(value)}
                elif isinstance(value, Waiting):
                    yield _place(value)
                elif isinstance(value, Compared):
                    yield {"trace": value.trace, "card": value.comparison.as_dict(), "kept": how == KEPT}
                elif not isinstance(value, Pruned):
                    yield {"trace": value, "card": None}

    @endpoint("prompt", "sparsity", "pattern", "samples", *RULE, "model")
    def compare_all(self, values: Values) -> Iterator[dict]:
        """Prune by every method at one sparsity and let each copy write the prompt: {rows, refused, underway}.

        A row has the text and its numbers (nats per token, paired difference to the dense model and its standard error, agreement, repeated
        4-grams, forwards, seconds, achieved sparsity, megabytes); the first one is the dense model's. refused: methods that cannot do it.
        """
        self._bench.check_model(values["model"])
        prompt, sparsity, pattern = values["prompt"], values["sparsity"], values["pattern"]
        calibration = calibration_from(values["samples"])
        table = new_table()
        run = all_methods(self._bench, prompt, sparsity, pattern, calibration, _decoding(values))
        with closing(run) as steps:
            for step in now_and_then(steps, Underway):
                if isinstance(step, Waiting):
                    yield _place(step)
                    continue
                if not isinstance(step, Underway):
                    table = collect(table, step)
                yield {**table, "underway": asdict(step) if isinstance(step, Underway) else None}

    @endpoint(
        "methods", "sparsities", "scored", "prompt", "samples", "gen_length", "block_length", "threshold", "cache", "seed", "model",
        prompt="",
    )  # fmt: skip
    def sweep(self, values: Values) -> Iterator[dict]:
        """Bits per token under copies of several methods and sparsities: {points, missing, underway}.

        The first point is the dense model's.
        """
        self._bench.check_model(values["model"])
        asked = (values[name] for name in ("scored", "prompt", "methods", "sparsities", "samples"))
        found = {"points": [], "missing": []}
        with closing(run_sweep(self._bench, *asked, _decoding(values))) as steps:
            for step in now_and_then(steps, Underway):
                if isinstance(step, Waiting):
                    yield _place(step)
                    continue
                if not isinstance(step, Underway):
                    name = "points" if isinstance(step, SweepPoint) else "missing"
                    found = {**found, name: [*found[name], asdict(step)]}
                yield {**found, "underway": asdict(step) if isinstance(step, Underway) else None}


def _place(value: object) -> dict | None:
    """A place in a line, as the endpoints tell it; None for anything else."""
    return {"waiting": asdict(value)} if isinstance(value, Waiting) else None


def _decoding(values: Values) -> DecodeConfig:
    """Of the parameters that the endpoint has. Without threshold and factor: one token a step."""
    given = {name: values[name] for name in (*RULE, *KEYS) if name in values}
    return decode_config(**given, steps=values["gen_length"])


def _intervention(values: Values) -> Cover | LeaveOutHeads | None:
    return intervention_asked(**{name: values[name] for name in CHANGE}, seed=values["seed"])
