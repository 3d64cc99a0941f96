"""The guide, the microscope and the lesson as Gradio components; their front end is the plain modules and texts in `learn/`."""

from __future__ import annotations

import json

import gradio as gr

from sinkprune.ui.components.served import WEB, home, served_folder

FOLDER = WEB / "learn"

# The import is dynamic because Gradio runs this text as a function body.
START = """
import(props.assets.url + "/%(module)s.js")
  .then((module) => module.mount(element, props, watch))
  .catch((error) => {
    console.error(error);
    element.querySelector("%(says)s").textContent = "This part could not start: " + error.message;
  });
"""


def texts(name: str) -> list | dict:
    """The cards, the quiz or the glossary."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def guide(predictions: dict) -> gr.HTML:
    """The line that offers the guide, and the guide. predictions: `recorded.predictions.predictions`."""
    return _component("guide", ".gu-offer", cards=texts("cards"), predictions=predictions, elem_id="guide")


def microscope(value: dict | None) -> gr.HTML:
    """Shows a value of `lab.microscope`."""
    return _component("microscope", ".ms-message", value=value, elem_id="microscope")


def lesson(worksheet: list[dict], claims: list[dict], model: str) -> gr.HTML:
    """Quiz, worksheet, claims and glossary. model: whose recordings the answers are read off."""
    return _component(
        "lesson",
        ".ls-note",
        quiz=texts("quiz"),
        worksheet=worksheet,
        claims=claims,
        model=model,
        home=home(),
        elem_id="lesson",
    )


def _component(module: str, says: str, **options: object) -> gr.HTML:
    return gr.HTML(
        html_template=(FOLDER / f"{module}.html").read_text(encoding="utf-8"),
        js_on_load=START % {"module": module, "says": says},
        apply_default_css=False,
        assets=served_folder(FOLDER),
        glossary=texts("glossary"),
        **options,
    )
