"""The player as a Gradio component: `player(attention_map)` shows a trace (format: `sinkprune.lab.trace`) given as its value.

The front end is plain modules in `player/`, served as they are; the template is static, so that canvases and the scrubber
survive every update. Yield a growing trace to stream a run; a new `run` id starts a new one.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import gradio as gr

FOLDER = Path(__file__).resolve().parent / "player"
FILE_ROUTE = "/gradio_api/file="
EMPTY = "No run yet. Press Run to watch the attention move."

# The import is dynamic because Gradio runs this text as a function body; what fails before the player can speak is said here.
START = """
import(props.assets.url + "/main.js")
  .then((main) => main.mount(element, props, server, watch))
  .catch((error) => {
    console.error(error);
    element.querySelector(".sp-player").dataset.error = String(error);
    element.querySelector(".sp-message").textContent = "The player could not start: " + error.message;
  });
"""


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
    gr.set_static_paths([FOLDER])
    return gr.HTML(
        value=value,
        html_template=(FOLDER / "player.html").read_text(encoding="utf-8"),
        js_on_load=START,
        server_functions=[_named_attention_map(attention_map)],
        apply_default_css=False,
        elem_id=elem_id,
        assets=_served_folder(),
        empty=empty,
        tag=uuid.uuid4().hex[:8],  # tells the ids of several players on one page apart
        **options,
    )


def _named_attention_map(answer: Callable[[dict], dict]) -> Callable[[dict], dict]:
    """The browser calls a server function by its name, so any callable gets the name it is called by; a refusal travels as a sentence."""

    def attention_map(question: dict) -> dict:
        try:
            return answer(question)
        except ValueError as error:
            return {"error": str(error)}

    return attention_map


def _served_folder() -> dict:
    """A file description, because Gradio puts the page's root (a Space's path, a proxy's prefix) before the url of such values."""
    return {"path": str(FOLDER), "url": FILE_ROUTE + quote(FOLDER.as_posix()), "meta": {"_type": "gradio.FileData"}}
