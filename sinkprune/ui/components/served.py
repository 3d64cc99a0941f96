"""Components whose front end is a folder of plain modules, served as they are, and where the browser finds these files."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import gradio as gr

WEB = Path(__file__).resolve().parents[1] / "web"
FILE_ROUTE = "/gradio_api/file="


def served(name: str, message: str, **options: object) -> gr.HTML:
    """The component in the folder `web/name`: its template is `name.html`, and its `main.js` exports `mount`.

    message: selector of the element, a child of the component's root, that says what failed. options: further arguments of `gr.HTML`.
    """
    folder = WEB / name
    gr.set_static_paths([folder])
    return gr.HTML(
        html_template=(folder / f"{name}.html").read_text(encoding="utf-8"),
        js_on_load=(WEB / "start.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        assets=_file_description(folder),
        message=message,
        **options,
    )


def home() -> str:
    """The address that links should start with: a Space's page on the hub, of which this page is only a part; "" where it is its own."""
    space = os.environ.get("SPACE_ID")
    return f"https://huggingface.co/spaces/{space}" if space else ""


def _file_description(folder: Path) -> dict:
    """Gradio puts the page's root (a Space's path, a proxy's prefix) before the url of such values."""
    return {"path": str(folder), "url": FILE_ROUTE + quote(folder.as_posix()), "meta": {"_type": "gradio.FileData"}}
