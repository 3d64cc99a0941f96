"""The page is opened through a link: the controls take the link's values, and the run that the link asks for starts by itself."""

from __future__ import annotations

from collections.abc import Collection

import gradio as gr
from gradio.components import Component

from sinkprune.ui.components.served import WEB
from sinkprune.ui.events import QUICK_EVENT
from sinkprune.ui.inputs import request_from
from sinkprune.ui.sections.copy_controls import copy_updates
from sinkprune.ui.server.links import OWN, Link, link_to, read_link
from sinkprune.ui.server.workbench import Workbench
from sinkprune.ui.words.text import note

START = (WEB / "opening.js").read_text(encoding="utf-8")


def open_links(
    page: gr.Blocks,
    bench: Workbench,
    said: gr.HTML,
    tabs: gr.Tabs,
    controls: dict[str, Component],
    linked: gr.State,
    touched: gr.State,
    presets: Collection[str] = (),
) -> None:
    """Wire the page's opening.

    said: says what is wrong with a link, or that it was made with another model; then nothing starts by itself.
    controls: those that a link sets, by name (see `links.Link.values`). linked: see `compare_section`.
    touched: see `what_if_section`.
    presets: the names of the recorded runs that the page has.
    """

    def opened(request: gr.Request) -> dict:
        try:
            link = read_link(dict(request.query_params))
            if request.query_params.get("preset", "") not in {"", *presets}:
                raise ValueError("its recorded run is not among those of this page")
        except ValueError as error:
            sentence = f"The link asks for something that this page does not have, so nothing was started: {error}."
            return {said: note("Link", sentence)}
        differs = another_model(link.model, bench.public_name or OWN)
        values = link.values if "method" not in link.values else copy_updates(link.values)
        return {
            said: note("Link", differs) if differs else "",
            linked: _promised(link, bench.public_name),
            touched: None if differs else link.touch,
            **({tabs: gr.Tabs(selected=link.tab)} if link.tab else {}),
            **{controls[name]: value for name, value in values.items()},
        }

    outputs = [said, tabs, *controls.values(), linked, touched]
    # Not through the queue: a page must open also when the queue is full.
    page.load(opened, None, outputs, **QUICK_EVENT).then(None, said, None, js=START, **QUICK_EVENT)


def another_model(asked: str | None, present: str) -> str:
    """A sentence where a link was made with another model than the present one; "" where it is the same or the link names none."""
    if asked is None or asked == present != OWN:
        return ""
    made = "a model that links do not name" if asked == OWN else asked
    runs = present if present != OWN else "such a one too, perhaps another" if asked == OWN else "one of its owner's"
    return f"The link was made with {made}, and this page runs {runs}: the link's settings are in place, and nothing was started."


def _promised(link: Link, present: str | None) -> str | None:
    """The link as the page writes it, where it says what to expect of a whole comparison. present: the model where it names none."""
    if link.expect is None or not link.whole:
        return None
    return link_to(request_from(link.values, link.model or present), link.expect)
