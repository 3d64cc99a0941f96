"""The table of all methods as a Gradio component; its front end is `web/methods`."""

from __future__ import annotations

import gradio as gr

from sinkprune.ui.components.served import web_component


def methods_table(empty: str, **options: object) -> gr.HTML:
    """Shows {"run", "rows", "refused"} (lists of what `lab.all_methods` yields, as dicts); the sentence `empty` while there is no row."""
    return web_component("methods", empty=empty, **options)
