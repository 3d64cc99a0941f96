"""What pruning does to the sinks, as recorded for every method: signed maps of where attention was lost and gained."""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import partial

import gradio as gr

from sinkprune.figures.pruning import difference_rivers
from sinkprune.figures.rows import river_rows
from sinkprune.recorded.pruned_sinks import PrunedRivers, PrunedSinks
from sinkprune.traces.numbers import percent
from sinkprune.ui.components.figure_card import figure_card, figure_file, words
from sinkprune.ui.components.scripts import WHEN_SEEN
from sinkprune.ui.events import QUICK_EVENT
from sinkprune.ui.inputs import in_words
from sinkprune.ui.words.figure_texts import PRUNED_SINKS
from sinkprune.ui.words.reading import rivers_words

WAYS = {"the dense model's text": "read", "its own text": "own"}
NOT_RECORDED = "Not recorded for this model yet: `python -m sinkprune.recorded.pruned_sinks` records it."


def pruned_sinks_section(recorded: PrunedSinks | None) -> None:
    """Build the section from what was recorded, or say that nothing was."""
    heading = gr.HTML("<h2>What pruning does to the sinks</h2>", js_on_load=WHEN_SEEN)
    if recorded is None:
        gr.Markdown(NOT_RECORDED)
        return
    prompts = [rivers.prompt for rivers in recorded.prompts]
    with gr.Row(elem_classes="choices figure-choices"):
        prompt = gr.Radio(prompts, value=prompts[0], label="Prompt", elem_classes="plain-radio")
        way = gr.Radio(list(WAYS.items()), value="read", label="Every copy reads", elem_classes="plain-radio")
    head, plot, said = figure_card("pruned-sinks", PRUNED_SINKS)
    answers = gr.HTML(elem_id="pruned-sinks-answers")
    gr.HTML(words(_recorded_how(recorded)))
    chosen = [heading.click, prompt.input, way.input]
    gr.on(chosen, partial(_show, recorded), [prompt, way], [plot, said, answers], **QUICK_EVENT)
    head.submit(_saver(recorded), [prompt, way], head, **QUICK_EVENT)


def _recorded_how(recorded: PrunedSinks) -> str:
    calibration, settings = recorded.calibration, recorded.settings
    return (
        f"Recorded on the model “{recorded.model}”: {percent(recorded.sparsity)} of the weights pruned, "
        f"calibration {calibration['samples']} x "
        f"{calibration['length']} tokens (seed {calibration['seed']}), {settings['gen_length']} tokens in {settings['steps']} steps."
    )


def _chosen(recorded: PrunedSinks, prompt: str) -> PrunedRivers:
    found = next((rivers for rivers in recorded.prompts if rivers.prompt == prompt), None)
    if found is None:
        raise ValueError("this prompt was not recorded: choose one of the list")
    return found


def _show(recorded: PrunedSinks, prompt: str, way: str) -> tuple:
    with in_words():
        rivers = _chosen(recorded, prompt)
        return difference_rivers(rivers, way), words(rivers_words(rivers, way)), _answers(rivers)


def _answers(rivers: PrunedRivers) -> str:
    """What each model wrote by itself, as text."""
    rows = "".join(
        f"<dt>{html.escape(model)}</dt><dd>{html.escape(text.strip()) or '(nothing)'}</dd>"
        for model, text in rivers.texts.items()
    )
    return f"<details class='definition'><summary>What each of them wrote</summary><dl>{rows}</dl></details>"


def _saver(recorded: PrunedSinks) -> Callable[..., dict]:
    """The handler of the head's buttons; a separate function, because Gradio hands no event data to a partial."""

    def save(prompt: str, way: str, event: gr.EventData) -> dict:
        with in_words():
            rivers = _chosen(recorded, prompt)
        about = {"prompt": prompt, "reads": way, "texts": rivers.texts, "model": recorded.model}
        about |= {"sparsity": recorded.sparsity, "calibration": recorded.calibration, "settings": recorded.settings}
        return figure_file("pruned-sinks", event, partial(river_rows, rivers, way), about)

    return save
