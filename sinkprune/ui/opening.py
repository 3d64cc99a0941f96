"""What happens when the page is opened through a link: the controls take the link's values, and a comparison runs by itself."""

from __future__ import annotations

import gradio as gr

from sinkprune.ui.copy_controls import copy_updates
from sinkprune.ui.inputs import calibration_from, decoding_from, in_words, pruning_from
from sinkprune.ui.links import Link, comparison_link, read_link
from sinkprune.ui.watch import QUICK_EVENT

# Pressing the button keeps one way to run: the queue, cancelling and messages are those of any other run.
RUN_COMPARISON = """
() => {
  const asked = new URLSearchParams(location.search);
  if (asked.get("tab") !== "compare" || !asked.has("method")) return;
  const press = (tries) => {
    const button = document.querySelector("#compare-run");
    if (button && !button.disabled) button.click();
    else if (tries) setTimeout(press, 100, tries - 1);
  };
  setTimeout(press, 0, 100);
}
"""


def open_links(
    page: gr.Blocks,
    tabs: gr.Tabs,
    prompt: gr.Textbox,
    decoding: list[gr.components.Component],
    copy: list[gr.components.Component],
    linked: gr.State,
) -> None:
    """Wire the page's opening. decoding, copy: in the order of `inputs.DECODING` and `inputs.COPY`; linked: see `compare_section`."""
    controls = [tabs, prompt, *decoding, *copy, linked]

    def opened(request: gr.Request) -> list:
        with in_words():
            link = read_link(dict(request.query_params))
            return [
                gr.Tabs(selected=link.tab) if link.tab else gr.skip(),
                gr.skip() if link.prompt is None else link.prompt,
                *(link.decoding or [gr.skip()] * len(decoding)),
                *(copy_updates(link.copy) if link.copy else [gr.skip()] * len(copy)),
                _promised(link),
            ]

    page.load(opened, None, controls, **QUICK_EVENT).success(None, None, None, js=RUN_COMPARISON, **QUICK_EVENT)


def _promised(link: Link) -> str | None:
    """The link as the page writes it, where it says what to expect of a whole comparison."""
    if None in (link.prompt, link.decoding, link.copy, link.expect):
        return None
    pruning, calibration = pruning_from(*link.copy[:-1]), calibration_from(link.copy[-1])
    return comparison_link(link.prompt, decoding_from(*link.decoding), pruning, calibration, link.expect)
