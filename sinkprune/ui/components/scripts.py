"""The page's small scripts, for `gr.HTML(js_on_load=…)` and, RESIZED, for an event's `js`."""

from __future__ import annotations

from sinkprune.ui.components.served import WEB

WHEN_SEEN, SCROLLERS, ROVING, PROMPT_KEYS, RESIZED = (
    (WEB / name).read_text(encoding="utf-8")
    for name in ("when_seen.js", "scrollers.js", "roving.js", "prompt_keys.js", "resized.js")
)
