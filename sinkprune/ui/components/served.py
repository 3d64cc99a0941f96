"""The front end's files: where they are, how the browser reaches them, and one way to start a component from them."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import gradio as gr

WEB = Path(__file__).resolve().parents[1] / "web"
FILE_ROUTE = "/gradio_api/file="
START = (WEB / "start.js").read_text(encoding="utf-8")

gr.set_static_paths([WEB])


def web_component(name: str, **options: object) -> gr.HTML:
    """The component whose front end is the folder `web/<name>`: its template `<name>.html`, and `main.js`, which exports `mount`.

    The template is static, so that what stands in it survives every new value. options: further arguments of `gr.HTML`.
    """
    return gr.HTML(
        html_template=(WEB / name / f"{name}.html").read_text(encoding="utf-8"),
        js_on_load=START,
        apply_default_css=False,
        assets=served_folder(WEB / name),
        **options,
    )


def home() -> str:
    """The address that links should start with: a Space's page on the hub, of which this page is only a part; "" where it is its own."""
    space = os.environ.get("SPACE_ID")
    return f"https://huggingface.co/spaces/{space}" if space else ""


def served_folder(folder: Path) -> dict:
    """A file description, because Gradio puts the page's root (a Space's path, a proxy's prefix) before the url of such values."""
    return {"path": str(folder), "url": FILE_ROUTE + quote(folder.as_posix()), "meta": {"_type": "gradio.FileData"}}
