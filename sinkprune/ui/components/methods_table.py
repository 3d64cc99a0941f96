"""The table of all methods as a Gradio component; its front end is the plain modules in `methods/`, served as they are."""

from __future__ import annotations

import gradio as gr

from sinkprune.ui.components.served import WEB, served_folder

FOLDER = WEB / "methods"

# The import is dynamic because Gradio runs this text as a function body.
START = """
import(props.assets.url + "/methods.js")
  .then((module) => module.mount(element, props, watch))
  .catch((error) => {
    console.error(error);
    element.querySelector(".mt-message").textContent = "The table could not start: " + error.message;
  });
"""


def methods_table(empty: str, **options: object) -> gr.HTML:
    """Shows {"run", "rows", "refused"} (lists of what `lab.all_methods` yields, as dicts); the sentence `empty` while there is no row."""
    gr.set_static_paths([FOLDER])
    return gr.HTML(
        html_template=(FOLDER / "methods.html").read_text(encoding="utf-8"),
        js_on_load=START,
        apply_default_css=False,
        assets=served_folder(FOLDER),
        empty=empty,
        **options,
    )
