""" "Bring your own model": the known models and their needs here. A private server can also load another model in place of the present one.

All visitors share the model. So it is switched only where whoever started the server said so (SINKPRUNE_OWN_MODELS=1, or `--own-models`),
and never on a Space. There the tab says which models would fit, and how to start a private server.
"""

from __future__ import annotations

import html
import os
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import gradio as gr

from sinkprune.models.registry import QUANTIZATIONS
from sinkprune.ui.events import QUICK_EVENT
from sinkprune.ui.inputs import in_words
from sinkprune.ui.run_button import MODEL_EVENT
from sinkprune.ui.server.workbench import Workbench
from sinkprune.ui.words.text import note

if TYPE_CHECKING:
    from sinkprune.lab.model_table import ModelRow

OWN_MODELS = "SINKPRUNE_OWN_MODELS"
LONGEST_NAME = 300
FORMS = {
    "as stored (16 bits, or 32 on a CPU without bfloat16)": "",
    "int8, for looking and writing": "int8",
    "nf4 (4 bits), likewise": "nf4",
}
SHARED = (
    "Everybody on this server looks at the same model, so it cannot be changed from the page. On your own machine, "
    "<code>python -m sinkprune app --own-models</code> serves a page that can; "
    "<code>--model NAME</code> starts with a certain one."
)
OWN = (
    "A name from the table, hub id (<code>owner/name</code>, followed by <code>@revision</code> if you like) or a folder on this machine, "
    "in a layout of Llama, Qwen2, Qwen3, LLaDA, MMaDA or Dream. Only safetensors are read, and no code from a checkpoint ever runs. "
    "Everybody on this server gets the new model, and pruned copies of the old one are dropped."
)
COMPUTED = (
    "Memory is computed from each model's config, without a download: the weights, and what a pruned copy takes beside them. "
    "Pinned revisions are those found in public caches; they were not compared with the hub."
)
FITS = {"fits": "fits this machine, with a pruned copy", "runs": "fits this machine"}  # where the page cannot load it
HEADS = ("Model", "Parameters", "Licence", "Load", "Prune", "Here")


def own_models_allowed() -> bool:
    """Whether visitors may load models: the server's owner said so, and it is no Space."""
    return os.environ.get(OWN_MODELS) == "1" and "SPACE_ID" not in os.environ


def models_section(bench: Workbench, tab: gr.Tab) -> None:
    """Build the section in its tab, whose opening fills the table."""
    gr.HTML("<h2>Known models, and what they need on this machine</h2>")
    form = gr.Radio(
        list(FORMS.items()),
        value="",
        label="Weights in memory",
        elem_id="own-form",
        elem_classes=["plain-radio", "stacked"],
    )
    table = gr.HTML("<p class='note'>Memory is being computed.</p>", elem_id="known-models")
    gr.on([tab.select, form.input], _table, form, table, **QUICK_EVENT)
    gr.HTML("<h3>Another model for this page</h3>")
    if not own_models_allowed():
        gr.HTML(f"<p class='note'>{SHARED}</p>", elem_id="own-status")
        return
    gr.HTML(f"<p class='note'>{OWN}</p>")
    with gr.Row(elem_classes="actions"):
        name = gr.Textbox(
            label="Model",
            placeholder="qwen3-0.6b-diffusion",
            max_lines=1,
            max_length=LONGEST_NAME,
            elem_id="own-model",
            min_width=260,
        )
        load = gr.Button("Load", variant="primary", elem_id="own-load", scale=0, min_width=120)
    status = gr.HTML(note("", f"This page runs {bench.name}."), elem_id="own-status")
    busy = load.click(partial(_load, bench), [name, form], [status, load], **MODEL_EVENT)
    busy.then(lambda: gr.Button(interactive=True), None, load, **QUICK_EVENT)
    name.submit(partial(_load, bench), [name, form], [status, load], **MODEL_EVENT)


def check_name(name: object) -> str:
    """A model's name as typed, bounded. Raises ValueError where it cannot be one."""
    text = name.strip() if isinstance(name, str) else ""
    if not text:
        raise ValueError("type a model's name: one from the table, a hub id such as owner/name, or a folder")
    if len(text) > LONGEST_NAME or not text.isprintable():
        raise ValueError(f"a model's name has at most {LONGEST_NAME} characters, in one line")
    return text


def _load(bench: Workbench, name: str, form: str) -> Iterator[tuple]:
    """Load and switch; on failure the page keeps the model that it has, and says so beside the name."""
    with in_words():
        if not own_models_allowed():
            raise ValueError("this server's owner does not let visitors load models")
    try:
        if form not in FORMS.values():
            raise ValueError(f"weights are kept as stored, or as {' or '.join(QUANTIZATIONS)}")
        chosen = check_name(name)
        said = f"{chosen} is fetched and loaded; until then this page runs {bench.name}."
        yield note("Loading", said), gr.Button(interactive=False)
        bench.switch(chosen, form or None)
    except ValueError as error:
        yield note("Not loaded", f"{error}. This page keeps {bench.name}."), gr.Button(interactive=True)
        return
    loaded = bench.loaded
    lane = "" if loaded.spec.causal else " It only denoises, so runs have no autoregressive lane."
    size = f"{loaded.parameters / 1e9:.2f} billion parameters on {bench.machine}"
    yield note("Loaded", f"This page now runs {bench.name}: {size}.{lane}"), gr.Button(interactive=True)


def _table(form: str) -> str:
    from sinkprune.lab.model_table import KINDS, model_rows  # with transformers' models: not before somebody looks

    kinds = KINDS if own_models_allowed() else KINDS | FITS
    rows = "".join(_row(row, kinds[row.verdict]) for row in model_rows(form if form in QUANTIZATIONS else None))
    head = "".join(f"<th scope='col'>{title}</th>" for title in HEADS)
    return (
        f"<div class='known'><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div><p class='note'>{COMPUTED}</p>"
    )


def _row(row: ModelRow, kind: str) -> str:
    info, load, prune = row.info, "", ""
    name = f"<code>{info.name}</code><small>{info.title}{', gated' if info.gated else ''}</small>"
    if isinstance(info.source, str):
        link = f"<a href='https://huggingface.co/{info.source}' target='_blank' rel='noopener'>{info.source}</a>"
        name += f"<small>{link}{f' at {info.revision[:7]}' if info.revision else ', not pinned'}</small>"
    if row.needs:
        load, prune = f"{row.needs[0]:.1f} GiB", f"+ {row.needs[1]:.1f} GiB" if row.needs[1] else ""
    why = f"<small>{html.escape(row.why)}</small>" if row.why else ""
    cells = zip(HEADS[1:], (f"{info.parameters:.3g} B", info.licence or "see its page", load, prune), strict=False)
    facts = "".join(f"<td data-head='{head}'>{cell}</td>" for head, cell in cells)
    return f"<tr><th scope='row'>{name}</th>{facts}<td><b class='verdict {row.verdict}'>{kind}</b>{why}</td></tr>"
