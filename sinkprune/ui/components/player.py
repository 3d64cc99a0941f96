"""The player as a Gradio component: `player(attention_map)` shows a trace (format: `sinkprune.traces.format`) given as its value.

The front end is `web/player`. Yield a growing trace to stream a run; a new `run` id starts a new one. The heads of a trace stay here
and travel when somebody looks at them (`sinkprune.ui.server.light_traces`).

A trace may have one key more here, "query": the page's query ("?tab=…") that makes this run again. The player's links start with it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

import gradio as gr

from sinkprune.ui.components.served import home, web_component
from sinkprune.ui.server.light_traces import RecentRuns

EMPTY = "No run yet. Press Run to watch the attention move."
HEADS_BYTES = 64 * 2**20  # heads that a player keeps for those who look: about 20 runs of the bundled model


def player(
    attention_map: Callable[[dict], dict],
    *,
    elem_id: str | None = None,
    value: dict | None = None,
    empty: str = EMPTY,
    **options: object,
) -> gr.HTML:
    """The attention player.

    attention_map: answers the browser's question for a full map, {"model", "ids", "causal", "layer", "head", "visible"}, with
        {"map": base64 uint8 (N, N) of 255 sqrt(p), row = query}, or raises ValueError with a sentence, which is shown in the map's place.
        N is the number of ids; layer and head are None for the mean.
    value: a trace, or None for the empty state, which shows the sentence `empty`. options: further arguments of `gr.HTML`.
    """
    recent = RecentRuns(HEADS_BYTES)
    shown = web_component(
        "player",
        value=value and recent.light(value),
        server_functions=[_answering("attention_map", attention_map), _answering("heads", recent.heads)],
        elem_id=elem_id,
        empty=empty,
        home=home(),
        tag=uuid.uuid4().hex[:8],  # tells the ids of several players on one page apart
        **options,
    )
    # Not in a class of its own: Gradio writes a .pyi file beside every module that defines one.
    shown.postprocess = lambda trace: trace and recent.light(trace)
    return shown


def _answering(name: str, answer: Callable[[dict], dict]) -> Callable[[dict], dict]:
    """The browser calls a server function by its name, so any callable gets the name it is called by; a refusal travels as a sentence."""

    def answered(question: dict) -> dict:
        try:
            return answer(question)
        except ValueError as error:
            return {"error": str(error)}

    answered.__name__ = name
    return answered
