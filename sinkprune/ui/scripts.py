"""The page's small scripts, for `gr.HTML(js_on_load=…)`."""

from __future__ import annotations

from pathlib import Path

WHEN_SEEN, SCROLLERS = (
    Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("when_seen.js", "scrollers.js")
)
