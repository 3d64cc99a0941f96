"""Where the front end's files are, and how the browser reaches them."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

WEB = Path(__file__).resolve().parents[1] / "web"
FILE_ROUTE = "/gradio_api/file="


def home() -> str:
    """The address that links should start with: a Space's page on the hub, of which this page is only a part; "" where it is its own."""
    space = os.environ.get("SPACE_ID")
    return f"https://huggingface.co/spaces/{space}" if space else ""


def served_folder(folder: Path) -> dict:
    """A file description, because Gradio puts the page's root (a Space's path, a proxy's prefix) before the url of such values."""
    return {"path": str(folder), "url": FILE_ROUTE + quote(folder.as_posix()), "meta": {"_type": "gradio.FileData"}}
