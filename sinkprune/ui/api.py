"""The page's capabilities as named endpoints and MCP tools; the docstrings of `Endpoints` are their documentation.

Every endpoint streams: what it yields last is its answer, which is all that `Client.predict` and an MCP tool return. Who iterates over
`Client.submit` sees it grow, and whose job is cancelled stops the work within a step. While others come first, an endpoint yields
`{"waiting": {"before", "seconds"}}`. "kept" says that the run of an earlier visitor was given. Checks are those of the page, and raise
`gr.Error`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from typing import Literal

import gradio as gr

from sinkprune.decoding import DecodeConfig
from sinkprune.decoding.eviction import POLICIES
from sinkprune.decoding.records import CACHE_MODES
from sinkprune.lab.all_methods import Underway
from sinkprune.lab.overlap import answer_end
from sinkprune.lab.request import BOTH, WATCHED, Request
from sinkprune.lab.sweep import SweepPoint
from sinkprune.models import decode_answer
from sinkprune.pruning import (
    ALLOCATIONS,
    METHODS,
    SINK_RULES,
    PruneProgress,
    PruneResult,
)
from sinkprune.pruning.settings import layer_sparsity
from sinkprune.traces.changes_asked import COVERS, HEADS, blanks_asked, intervention_asked
from sinkprune.traces.runs import decode_config, written
from sinkprune.traces.touch import touch_asked
from sinkprune.ui.events import now_and_then
from sinkprune.ui.inputs import PATTERNS, calibration_from, in_words, pruning_from
from sinkprune.ui.sections.all_methods import all_methods, collect, new_table
from sinkprune.ui.sections.sweep import SCORED, run_sweep
from sinkprune.ui.server.kept_runs import KEPT
from sinkprune.ui.server.runs import Before, Compared, Pruned, Tried, compared, pruned, run_of, visitor
from sinkprune.ui.server.scheduler import SHORT, Waiting
from sinkprune.ui.server.workbench import Workbench
from sinkprune.ui.server.zero_gpu import at_once, gpu_function

Method = Literal[METHODS]
Pattern = Literal[tuple(PATTERNS)]
SinkRule = Literal[SINK_RULES]
Allocation = Literal[ALLOCATIONS]
Cache = Literal[CACHE_MODES]
Scored = Literal[tuple(SCORED)]
Keep = Literal[POLICIES]
Covered = Literal[("", *COVERS)]
LeftOut = Literal[("", *HEADS)]


def add_endpoints(bench: Workbench) -> None:
    """Add the endpoints to the Blocks under construction; they wait in the same lines as the page's own runs."""
    all_of_them = Endpoints(bench)
    for name in ("trace", "generate", "prune", "compare", "compare_all", "sweep"):
        endpoint = gpu_function(getattr(all_of_them, name), bench)
        gr.api(endpoint, api_name=name, concurrency_id="model", concurrency_limit=at_once())


class Endpoints:
    """The capabilities on the model of a workbench."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench

    def trace(
        self,
        prompt: str,
        gen_length: int = 96,
        block_length: int = 32,
        threshold: float | None = 0.9,
        factor: float | None = None,
        cache: Cache = "none",
        temperature: float = 0.0,
        seed: int = 0,
        autoregressive: bool = True,
        model: str = "bundled",
        cfg_scale: float = 0.0,
        retention: float = 0.5,
        kernel: int = 1,
        delay: int = 0,
        keep: Keep = "attention",
        cover: Covered = "",
        cover_count: int = 1,
        cover_per_head: bool = True,
        cover_protocol: Literal["alike", "paper"] = "alike",
        cover_positions: list[int] | None = None,
        leave_out_heads: LeftOut = "",
        heads_count: int = 1,
        blanks: str = "",
        blank_tokens: int = 2,
        controls: bool = False,
        controls_lane: Literal["dlm", "ar"] = "dlm",
        edits: list | None = None,
        edited_lane: int = 0,
        closely: bool = False,
    ) -> Iterator[dict]:
        """Write an answer and record it: the run as a sinkprune-trace, every step's tokens and attention.

        Args:
            prompt: what the model is asked, up to 1000 characters
            gen_length: tokens of the answer's canvas; prompt and answer together have at most 256
            block_length: blocks are written left to right; it must divide gen_length
            threshold: commit every token of this confidence, above 0 and up to 1
            factor: instead of threshold, Fast-dLLM's factor; without both, one token a step
            cache: none forwards the whole canvas, prefix keeps what is before the block, dual also what is after, sparse a share
            temperature: 0 always takes the likeliest token
            seed: of the noise, used above temperature 0
            autoregressive: record the same weights writing token by token as well
            model: the name of the page's model
            cfg_scale: guidance towards the prompt, up to 10; above 0 each step takes two forwards
            retention: sparse cache only, as the next three: share of the keys outside the block that stay
            kernel: neighbours whose best score counts, odd; 1 is no pooling
            delay: full forwards of a block before the choice
            keep: which keys stay
            cover: which tokens get no attention at each step; empty covers none; given covers cover_positions
            cover_count: how many, 1 to 10
            cover_per_head: false covers the same tokens everywhere
            cover_protocol: how the autoregressive lane finds sinks; paper looks at the last row only
            cover_positions: positions of the canvas, for cover = given
            leave_out_heads: which heads give nothing at each step, by sink strength; empty leaves out none
            heads_count: how many of all layers' heads
            blanks: an answer in which ___ is to be filled in; then autoregressive must be false
            blank_tokens: tokens that fill each blank, 1 to 8
            controls: untouched, changed and changed at random beside each other, in one kind of lane, and measured: what_if
            controls_lane: dlm for diffusion, ar for autoregressive
            edits: tokens to touch, [[after, position, token], ...]: after a step (from 1), at a position of the canvas, the token's
                text or null for a mask; the model goes on from there in a second lane
            edited_lane: lane of the run that is touched, from 0
            closely: record candidates of masked tokens and the lengths of value vectors, too
        """
        with in_words():
            loaded = self._bench.check_model(model)
            config = _decoding(
                gen_length, block_length, threshold, factor, cache, temperature, seed,
                cfg_scale=cfg_scale, retention=retention, kernel=kernel, delay=delay, keep=keep,
            )  # fmt: skip
            intervention = intervention_asked(
                cover, cover_count, cover_per_head, cover_protocol, cover_positions, leave_out_heads, heads_count, seed
            )
            asked = Request(
                loaded.spec.public_name, prompt, config, intervention=intervention, blanks=blanks_asked(blanks, blank_tokens),
                controls=bool(controls), lanes=(controls_lane,) if controls else BOTH if autoregressive else WATCHED,
                touch=touch_asked(edits, edited_lane), closely=bool(closely),
            )  # fmt: skip
            with closing(run_of(asked)(self._bench, loaded, asked, slowly=False)) as steps:
                for how, value in now_and_then(steps):
                    if isinstance(value, Before):
                        yield {"underway": "the run before the touch"}
                    elif isinstance(value, Tried):
                        yield {**value.trace, "what_if": [asdict(lane) for lane in value.lanes], "kept": how == KEPT}
                    else:
                        yield _place(value) or {**value, "kept": how == KEPT}

    def generate(
        self,
        prompt: str,
        gen_length: int = 96,
        block_length: int = 32,
        threshold: float | None = 0.9,
        factor: float | None = None,
        cache: Cache = "none",
        temperature: float = 0.0,
        seed: int = 0,
        model: str = "bundled",
        cfg_scale: float = 0.0,
        retention: float = 0.5,
        kernel: int = 1,
        delay: int = 0,
        keep: Keep = "attention",
        cover: Covered = "",
        cover_count: int = 1,
        cover_per_head: bool = True,
        cover_protocol: Literal["alike", "paper"] = "alike",
        cover_positions: list[int] | None = None,
        leave_out_heads: LeftOut = "",
        heads_count: int = 1,
        blanks: str = "",
        blank_tokens: int = 2,
    ) -> Iterator[dict]:
        """Write an answer by diffusion, without recording attention: {text, tokens, forwards, seconds}; tokens up to its end.

        Args:
            prompt: what the model is asked, up to 1000 characters
            gen_length: tokens of the answer's canvas; prompt and answer together have at most 256
            block_length: blocks are written left to right; it must divide gen_length
            threshold: commit every token of this confidence, above 0 and up to 1
            factor: instead of threshold, Fast-dLLM's factor; without both, one token a step
            cache: none forwards the whole canvas, prefix keeps what is before the block, dual also what is after, sparse a share
            temperature: 0 always takes the likeliest token
            seed: of the noise, used above temperature 0
            model: the name of the page's model
            cfg_scale: guidance towards the prompt, up to 10; above 0 each step takes two forwards
            retention: sparse cache only, as the next three: share of the keys outside the block that stay
            kernel: neighbours whose best score counts, odd; 1 is no pooling
            delay: full forwards of a block before the choice
            keep: which keys stay
            cover: which tokens get no attention at each step; empty covers none; given covers cover_positions
            cover_count: how many, 1 to 10
            cover_per_head: false covers the same tokens everywhere
            cover_protocol: how the autoregressive lane finds sinks; paper looks at the last row only
            cover_positions: positions of the canvas, for cover = given
            leave_out_heads: which heads give nothing at each step, by sink strength; empty leaves out none
            heads_count: how many of all layers' heads
            blanks: an answer in which ___ is to be filled in
            blank_tokens: tokens that fill each blank, 1 to 8
        """
        with in_words():
            loaded = self._bench.check_model(model)
            config = _decoding(
                gen_length, block_length, threshold, factor, cache, temperature, seed,
                cfg_scale=cfg_scale, retention=retention, kernel=kernel, delay=delay, keep=keep,
            )  # fmt: skip
            intervention = intervention_asked(
                cover, cover_count, cover_per_head, cover_protocol, cover_positions, leave_out_heads, heads_count, seed
            )
            start, steps = written(loaded, prompt, config, intervention, blanks_asked(blanks, blank_tokens))
            writing = self._bench.lines.run(SHORT, steps, visitor(), "generate")
            with closing(writing) as steps:
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

    def prune(
        self,
        method: Method = "sink-wanda",
        sparsity: float = 0.5,
        pattern: Pattern = "free",
        sink_rule: SinkRule = "reference",
        sink_weight: bool = True,
        allocation: Allocation = "uniform",
        samples: int = 32,
        model: str = "bundled",
    ) -> Iterator[dict]:
        """Prune a copy of the model: {key, sparsity, per_layer, seconds, linears}; it is kept for a later compare.

        Args:
            method: the structured ones remove whole channels and heads, the others set single weights to zero
            sparsity: share of the layers' weights, 0 to 0.9; structured 0 to 0.7
            pattern: 2:4 and 4:8 set the sparsity themselves, and are not for the structured methods
            sink_rule: how the sink- methods find sinks: the official code's rule, or the paper's
            sink_weight: false is the ablation, the same noise and sums without the weight
            allocation: structured methods only: every layer loses the same share, or all layers compete
            samples: calibration sequences of 128 tokens, up to 64
            model: the name of the page's model
        """
        with in_words():
            loaded = self._bench.check_model(model)
            pruning = pruning_from(method, sparsity, pattern, sink_rule, sink_weight, allocation)
            calibration = calibration_from(samples)
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

    def compare(
        self,
        prompt: str,
        method: Method = "sink-wanda",
        sparsity: float = 0.5,
        pattern: Pattern = "free",
        sink_rule: SinkRule = "reference",
        sink_weight: bool = True,
        allocation: Allocation = "uniform",
        samples: int = 32,
        gen_length: int = 96,
        block_length: int = 32,
        threshold: float | None = 0.9,
        factor: float | None = None,
        cache: Cache = "none",
        temperature: float = 0.0,
        seed: int = 0,
        model: str = "bundled",
    ) -> Iterator[dict]:
        """Prune, let the dense and the pruned model write the same prompt, and measure both: {trace, card}.

        Arguments as in prune and trace.
        """
        with in_words():
            loaded = self._bench.check_model(model)
            pruning = pruning_from(method, sparsity, pattern, sink_rule, sink_weight, allocation)
            calibration = calibration_from(samples)
            config = _decoding(gen_length, block_length, threshold, factor, cache, temperature, seed)
            asked = Request(loaded.spec.public_name, prompt, config, pruning, calibration)
            with closing(compared(self._bench, loaded, asked, slowly=False)) as steps:
                for how, value in now_and_then(steps):
                    if isinstance(value, PruneProgress):
                        yield {"underway": asdict(value)}
                    elif isinstance(value, Waiting):
                        yield _place(value)
                    elif isinstance(value, Compared):
                        card = value.comparison.as_dict()
                        yield {"trace": value.trace, "card": card, "kept": how == KEPT}
                    elif not isinstance(value, Pruned):
                        yield {"trace": value, "card": None}

    def compare_all(
        self,
        prompt: str,
        sparsity: float = 0.5,
        pattern: Pattern = "free",
        samples: int = 32,
        gen_length: int = 96,
        block_length: int = 32,
        threshold: float | None = 0.9,
        factor: float | None = None,
        cache: Cache = "none",
        temperature: float = 0.0,
        seed: int = 0,
        model: str = "bundled",
    ) -> Iterator[dict]:
        """Prune by every method at one sparsity and let each copy write the prompt: {rows, refused, underway}.

        A row has the text and its numbers (nats per token, paired difference to the dense model and its standard error, agreement, repeated
        4-grams, forwards, seconds, achieved sparsity, megabytes); the first one is the dense model's. refused: methods that cannot do it.

        Arguments as in prune and trace.
        """
        with in_words():
            self._bench.check_model(model)
            config = _decoding(gen_length, block_length, threshold, factor, cache, temperature, seed)
            table = new_table()
            with closing(
                all_methods(self._bench, prompt, sparsity, pattern, calibration_from(samples), config)
            ) as steps:
                for step in now_and_then(steps, Underway):
                    if isinstance(step, Waiting):
                        yield _place(step)
                        continue
                    if not isinstance(step, Underway):
                        table = collect(table, step)
                    yield {**table, "underway": asdict(step) if isinstance(step, Underway) else None}

    def sweep(
        self,
        methods: list[str],
        sparsities: list[float],
        scored: Scored = "held-out",
        prompt: str = "",
        samples: int = 32,
        gen_length: int = 96,
        block_length: int = 32,
        threshold: float | None = 0.9,
        cache: Cache = "none",
        seed: int = 0,
        model: str = "bundled",
    ) -> Iterator[dict]:
        """Bits per token under copies of several methods and sparsities: {points, missing, underway}; the first point is the dense model's.

        Args:
            methods: names as in prune
            sparsities: 0 to 0.9; at most 24 points, methods x sparsities
            scored: held-out scores the teacher's answers to held-out prompts, prompt the dense model's answer to the prompt
            prompt: only for scored = prompt, as are the settings of decoding
            samples: calibration sequences of 128 tokens, up to 64
        """
        with in_words():
            self._bench.check_model(model)
            config = _decoding(gen_length, block_length, threshold, None, cache, 0.0, seed)
            found = {"points": [], "missing": []}
            with closing(run_sweep(self._bench, scored, prompt, methods, sparsities, samples, config)) as steps:
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


def _decoding(gen_length, block_length, threshold, factor, cache, temperature, seed, **more) -> DecodeConfig:
    """Without threshold and factor: one token a step."""
    return decode_config(
        gen_length=gen_length, block_length=block_length, steps=gen_length, threshold=threshold, factor=factor,
        cache=cache, temperature=temperature, seed=seed, **more,
    )  # fmt: skip
