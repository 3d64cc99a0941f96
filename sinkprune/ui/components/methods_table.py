"""The table of all methods as a Gradio component; its front end is in `web/methods/`."""

from __future__ import annotations

import gradio as gr

from sinkprune.ui.components.served import served


def methods_table(empty: str, **options: object) -> gr.HTML:
    """Shows {"run", "rows", "refused"} (lists of what `lab.all_methods` yields, as dicts); the sentence `empty` while there is no row."""
    return served("methods", ".mt-message", empty=empty, **options)
