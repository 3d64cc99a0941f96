"""What happens when the page is opened through a link: the controls take the link's values, and what it asks for starts by itself."""

from __future__ import annotations

import gradio as gr

from sinkprune.ui.events import QUICK_EVENT
from sinkprune.ui.inputs import calibration_from, decoding_from, pruning_from
from sinkprune.ui.sections.copy_controls import copy_updates
from sinkprune.ui.server.links import OWN, Link, comparison_link, read_link
from sinkprune.ui.server.workbench import Workbench
from sinkprune.ui.words.text import note

# Pressing the button keeps one way to run: the queue, cancelling and messages are those of any other run.
START = """
(said) => {
  if (said) return;
  const asked = new URLSearchParams(location.search);
  const tab = asked.get("tab") ?? "watch";
  const wanted = tab === "compare" && asked.has("method") ? "#compare-run"
    : tab === "watch" && asked.has("preset") ? `#presets input[value="${CSS.escape(asked.get("preset"))}"]`
    : tab === "watch" && asked.has("lanes") ? "#run" : null;
  if (!wanted) return;
  const press = (tries) => {
    const button = document.querySelector(wanted);
    if (button && !button.disabled) button.click();
    else if (tries) setTimeout(press, 100, tries - 1);
  };
  setTimeout(press, 0, 100);
}
"""


def open_links(
    page: gr.Blocks,
    bench: Workbench,
    said: gr.HTML,
    tabs: gr.Tabs,
    prompt: gr.Textbox,
    both: gr.Checkbox,
    decoding: list[gr.components.Component],
    copy: list[gr.components.Component],
    linked: gr.State,
) -> None:
    """Wire the page's opening.

    said: says what is wrong with a link, or that it was made with another model; then nothing starts by itself.
    decoding, copy: in the order of `inputs.DECODING` and `inputs.COPY`.
    linked: see `compare_section`.
    """
    controls = [tabs, prompt, both, *decoding, *copy, linked]

    def opened(request: gr.Request) -> list:
        try:
            link = read_link(dict(request.query_params))
        except ValueError as error:
            sentence = f"The link asks for something that this page does not have, so nothing was started: {error}."
            return [note("Link", sentence), *[gr.skip()] * len(controls)]
        differs = another_model(link.model, bench.public_name or OWN)
        return [
            note("Link", differs) if differs else "",
            gr.Tabs(selected=link.tab) if link.tab else gr.skip(),
            gr.skip() if link.prompt is None else link.prompt,
            gr.skip() if link.both is None else link.both,
            *(link.decoding or [gr.skip()] * len(decoding)),
            *(copy_updates(link.copy) if link.copy else [gr.skip()] * len(copy)),
            _promised(link, bench.public_name),
        ]

    # Not through the queue: a page must open also when the queue is full.
    page.load(opened, None, [said, *controls], **QUICK_EVENT).then(None, said, None, js=START, **QUICK_EVENT)


def another_model(asked: str | None, present: str) -> str:
    """A sentence where a link was made with another model than the present one; "" where it is the same or the link names none."""
    if asked is None or asked == present != OWN:
        return ""
    made = "a model that links do not name" if asked == OWN else asked
    runs = present if present != OWN else "such a one too, perhaps another" if asked == OWN else "one of its owner's"
    return f"The link was made with {made}, and this page runs {runs}: the link's settings are in place, and nothing was started."


def _promised(link: Link, present: str | None) -> str | None:
    """The link as the page writes it, where it says what to expect of a whole comparison. present: the model where it names none."""
    if None in (link.prompt, link.decoding, link.copy, link.expect):
        return None
    pruning, calibration = pruning_from(*link.copy[:-1]), calibration_from(link.copy[-1])
    model = link.model or present
    return comparison_link(model, link.prompt, decoding_from(*link.decoding), pruning, calibration, link.expect)
