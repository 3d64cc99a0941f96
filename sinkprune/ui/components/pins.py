"""Pins and history as a Gradio component: finished comparisons, kept in the visitor's browser for the visit.

The front end is `web/pins`; the server sends each finished comparison once and keeps none.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict

import gradio as gr

from sinkprune.lab.citation import bibtex_with_settings
from sinkprune.lab.comparison import Comparison
from sinkprune.lab.overlap import answer_end
from sinkprune.ui.components.served import home, web_component


def pins(**options: object) -> gr.HTML:
    """The list. Its value is the newest finished comparison, as `pin_of` makes it."""
    return web_component("pins", home=home(), **options)


def pin_of(comparison: Comparison, trace: dict, query: str, end_token_ids: Collection[int]) -> dict:
    """A finished comparison as the list keeps it: JSON values, a few kilobytes. query: the link that makes it again (`ui.server.links`)."""
    return {
        "id": trace["run"],
        "query": query,
        "prompt": comparison.prompt,
        "title": comparison.title,
        "rows": [asdict(row) for row in comparison.rows()],
        "answers": [_answer(lane, end_token_ids) for lane in trace["lanes"]],
        "markdown": comparison.as_markdown(),
        "bibtex": bibtex_with_settings(comparison),
    }


def _answer(lane: dict, end_token_ids: Collection[int]) -> dict:
    """Token by token, up to the end token."""
    committed = sorted(entry for frame in lane["frames"] for entry in frame["committed"])
    ids = [entry[1] for entry in committed]
    end = answer_end(ids, end_token_ids)
    return {"title": lane["title"], "ids": ids[:end], "tokens": [entry[2] for entry in committed[:end]]}
