"""What happens when the page is opened through a link: the controls take the link's values, and what it asks for starts by itself."""

from __future__ import annotations

import gradio as gr

from sinkprune.ui.copy_controls import copy_updates
from sinkprune.ui.inputs import calibration_from, decoding_from, in_words, pruning_from
from sinkprune.ui.links import Link, comparison_link, read_link
from sinkprune.ui.watch import QUICK_EVENT

# Pressing the button keeps one way to run: the queue, cancelling and messages are those of any other run.
START = """
() => {
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
    tabs: gr.Tabs,
    prompt: gr.Textbox,
    both: gr.Checkbox,
    decoding: list[gr.components.Component],
    copy: list[gr.components.Component],
    linked: gr.State,
) -> None:
    """Wire the page's opening. decoding, copy: in the order of `inputs.DECODING` and `inputs.COPY`; linked: see `compare_section`."""
    controls = [tabs, prompt, both, *decoding, *copy, linked]

    def opened(request: gr.Request) -> list:
        with in_words():
            link = read_link(dict(request.query_params))
            return [
                gr.Tabs(selected=link.tab) if link.tab else gr.skip(),
                gr.skip() if link.prompt is None else link.prompt,
                gr.skip() if link.both is None else link.both,
                *(link.decoding or [gr.skip()] * len(decoding)),
                *(copy_updates(link.copy) if link.copy else [gr.skip()] * len(copy)),
                _promised(link),
            ]

    # Through the queue: only there does the page show what is wrong with a link.
    page.load(opened, None, controls, **QUICK_EVENT | {"queue": True}).success(
        None, None, None, js=START, **QUICK_EVENT
    )


def _promised(link: Link) -> str | None:
    """The link as the page writes it, where it says what to expect of a whole comparison."""
    if None in (link.prompt, link.decoding, link.copy, link.expect):
        return None
    pruning, calibration = pruning_from(*link.copy[:-1]), calibration_from(link.copy[-1])
    return comparison_link(link.prompt, decoding_from(*link.decoding), pruning, calibration, link.expect)
