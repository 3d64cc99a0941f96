"""Every parameter that the named endpoints have, each written once: its type, its default and what it means.

`endpoint` gives parameters to a method by their names. Gradio and MCP read the signature and the docstring that it builds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from inspect import Parameter, Signature, getdoc
from typing import Literal

from sinkprune.decoding.cache import CACHE_MODES
from sinkprune.decoding.eviction import POLICIES
from sinkprune.pruning import ALLOCATIONS, METHODS, SINK_RULES
from sinkprune.traces.changes_asked import COVERS, HEADS
from sinkprune.ui import inputs
from sinkprune.ui.inputs import COPY, DECODING, PATTERNS
from sinkprune.ui.sections.sweep import SCORED


@dataclass(frozen=True)
class Field:
    """One parameter. kind: its type hint; words: what it means; default: `Parameter.empty` where the caller must give it."""

    kind: object
    words: str
    default: object = Parameter.empty


FIELDS = {
    "prompt": Field(str, "what the model is asked, up to 1000 characters"),
    "gen_length": Field(int, "tokens of the answer's canvas; prompt and answer together have at most 256", DECODING["gen_length"]),
    "block_length": Field(int, "blocks are written left to right; it must divide gen_length", DECODING["block_length"]),
    "threshold": Field(float | None, "commit every token of this confidence, above 0 and up to 1", DECODING["threshold"]),
    "factor": Field(float | None, "instead of threshold, Fast-dLLM's factor; without both, one token a step", None),
    "cache": Field(
        Literal[CACHE_MODES],
        "none forwards the whole canvas, prefix keeps what is before the block, dual also what is after, sparse a share",
        DECODING["cache"],
    ),
    "temperature": Field(float, "0 always takes the likeliest token", DECODING["temperature"]),
    "seed": Field(int, "of the noise, used above temperature 0", DECODING["seed"]),
    "cfg_scale": Field(
        float, "guidance towards the prompt, up to 10; above 0 each step takes two forwards", DECODING["cfg_scale"]
    ),
    "stop_at_end": Field(
        bool, "no forwards once the answer's end is written; the text stays the same", DECODING["stop_at_end"]
    ),
    "retention": Field(
        float, "sparse cache only, as kernel, delay and keep: share of the keys outside the block that stay", DECODING["retention"]
    ),
    "kernel": Field(int, "neighbours whose best score counts, odd; 1 is no pooling", DECODING["kernel"]),
    "delay": Field(int, "full forwards of a block before the choice", DECODING["delay"]),
    "keep": Field(Literal[POLICIES], "which keys stay", DECODING["keep"]),
    "autoregressive": Field(bool, "record the same weights writing token by token as well; false with blanks", True),
    "model": Field(str, "the name of the page's model", "bundled"),
    "cover": Field(
        Literal[("", *COVERS)], "which tokens get no attention at each step; empty covers none; given covers cover_positions", ""
    ),
    "cover_count": Field(int, "how many tokens are covered, 1 to 10", 1),
    "cover_per_head": Field(bool, "false covers the same tokens everywhere", True),
    "cover_protocol": Field(
        Literal["alike", "paper"], "how the autoregressive lane finds sinks; paper looks at the last row only", "alike"
    ),
    "cover_positions": Field(list[int] | None, "positions of the canvas, for cover = given", None),
    "leave_out_heads": Field(
        Literal[("", *HEADS)], "which heads give nothing at each step, by sink strength; empty leaves out none", ""
    ),
    "heads_count": Field(int, "how many of all layers' heads are left out", 1),
    "blanks": Field(str, "an answer in which ___ is to be filled in, by the diffusion lane alone", ""),
    "blank_tokens": Field(int, "tokens that fill each blank, 1 to 8", 2),
    "controls": Field(
        bool, "untouched, changed and changed at random beside each other, in one kind of lane, and measured: what_if", False
    ),
    "controls_lane": Field(Literal["dlm", "ar"], "of controls: dlm for diffusion, ar for autoregressive", "dlm"),
    "edits": Field(
        list | None,
        "tokens to touch, [[after, position, token], ...]: after a step (from 1), at a position of the canvas, the token's text or null"
        " for a mask; the model goes on from there in a second lane",
        None,
    ),
    "edited_lane": Field(int, "lane of the run that is touched, from 0", 0),
    "closely": Field(bool, "record candidates of masked tokens and the lengths of value vectors, too", False),
    "method": Field(
        Literal[METHODS],
        "the structured ones remove whole channels and heads, the others set single weights to zero",
        COPY["method"],
    ),
    "sparsity": Field(float, "share of the layers' weights, 0 to 0.9; structured 0 to 0.7", COPY["sparsity"]),
    "pattern": Field(
        Literal[tuple(PATTERNS)],
        "2:4 and 4:8 set the sparsity themselves, and are not for the structured methods",
        COPY["pattern"],
    ),
    "sink_rule": Field(
        Literal[SINK_RULES], "how the sink- methods find sinks: the official code's rule, or the paper's", COPY["sink_rule"]
    ),
    "sink_weight": Field(bool, "false is the ablation, the same noise and sums without the weight", COPY["sink_weight"]),
    "allocation": Field(
        Literal[ALLOCATIONS],
        "structured methods only: every layer loses the same share, or all layers compete",
        COPY["allocation"],
    ),
    "samples": Field(int, "calibration sequences of 128 tokens, up to 64", COPY["samples"]),
    "methods": Field(list[str], "names as in prune"),
    "sparsities": Field(list[float], "0 to 0.9; at most 24 points, methods x sparsities"),
    "scored": Field(
        Literal[tuple(SCORED)],
        "held-out scores the teacher's answers to held-out prompts; prompt scores the dense model's answer to the prompt,"
        " and only then prompt and the settings of decoding count",
        "held-out",
    ),
}  # fmt: skip
RULE = ("gen_length", "block_length", "threshold", "factor", "cache", "temperature", "seed")
KEYS = ("cfg_scale", "stop_at_end", *inputs.SPARSE)
CHANGE = (
    "cover", "cover_count", "cover_per_head", "cover_protocol", "cover_positions", "leave_out_heads", "heads_count",
)  # fmt: skip
BLANKS = ("blanks", "blank_tokens")
TOUCH = ("controls_lane", "edits", "edited_lane", "closely")


def endpoint(*names: str, **defaults: object) -> Callable[[Callable], property]:
    """A method of (self, values by name) becomes a property: a function of these parameters, with their words in its docstring.

    names: of FIELDS, in the order of the parameters. defaults: those that differ from FIELDS here.
    """
    fields = {name: FIELDS[name] for name in names}
    signature = Signature(
        [
            Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, annotation=field.kind, default=defaults.get(name, field.default))
            for name, field in fields.items()
        ],
        return_annotation=Iterator[dict],
    )  # fmt: skip
    words = ["Args:", *(f"    {name}: {field.words}" for name, field in fields.items())]

    def documented(method: Callable[[object, Mapping[str, object]], Iterator[dict]]) -> property:
        def bound(self: object) -> Callable[..., Iterator[dict]]:
            def stream(*values: object, **named: object) -> Iterator[dict]:
                given = signature.bind(*values, **named)
                given.apply_defaults()
                with inputs.in_words():
                    yield from method(self, given.arguments)

            stream.__name__ = method.__name__
            stream.__doc__ = "\n".join([getdoc(method), "", *words])
            stream.__signature__ = signature
            stream.__annotations__ = {name: field.kind for name, field in fields.items()} | {"return": Iterator[dict]}
            return stream

        return property(bound)  # and no bound method: what ZeroGPU makes of one has `self` in its signature

    return documented
