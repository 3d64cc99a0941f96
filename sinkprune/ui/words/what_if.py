"""The words and the table of "What if"."""

from __future__ import annotations

import html

from sinkprune.lab.what_if import LaneResult
from sinkprune.traces.numbers import bits, percent, signed
from sinkprune.traces.parting import answer_ids, first_divergence

ABOUT_CHANGE = {
    "cover": "At each step the chosen tokens get no attention, and the others share it. A random choice of as many tokens runs beside it.",
    "keys": "Each block keeps a share of the keys and values outside it. The whole cache and a random share run beside it.",
    "heads": "At each step the chosen heads give nothing to their layer. As many heads at random run beside it.",
    "blanks": "The model fills each blank with the words on both sides in sight. An autoregressive model sees only the left side.",
}

WHAT_IF_TERMS = """
<details class='definition'><summary>What do these numbers mean?</summary>
<p><b>Bits lost</b>: the untouched answer is read again under each change, with the same masks. The number says how much less likely each
token became; below 0 it became likelier. The interval (95 %) is over blocks and masks of this one answer, or over its tokens in the
autoregressive lane: it speaks of this answer alone. The second forward pass is read: the first one chooses what to change.</p>
<p><b>Parts</b>: the first position at which both texts hold different tokens, and the step. Texts that part early may both be good.</p>
<p><b>Keys read</b>: keys, with their values, that attention read in the whole run, over layers, and their bytes. Covered tokens and heads
left out are read, and then given no weight. Fewer keys make a short text no faster on a small machine.</p>
<p>Both lanes find sinks alike: by the attention that a token receives from all rows. The paper on covering sinks (arXiv 2510.15731)
looks at the last row of an autoregressive model instead. That row attends to its neighbours too,
so its protocol also hides content.</p></details>
"""


def touched_words(trace: dict) -> str:
    """What a touch did, in a sentence."""
    was, touched = trace["lanes"]
    parting = first_divergence(was, touched)
    if parting is None:
        return "The model went on from the touched token: both lanes hold the same text."
    ids = [answer_ids(lane, lane["maskId"]) for lane in (was, touched)]
    same = sum(a == b for a, b in zip(*ids, strict=False)) / max(map(len, ids))
    where = f"position {parting.position}, step {parting.step + 1}"
    return f"The model went on from the touched token. The lanes part at {where}; {same:.0%} of the answer's tokens are equal."


def result_table(lanes: list[LaneResult]) -> str:
    """The lanes measured so far, a row each. All text is escaped."""
    names = ("Lane", "Text", "Parts", "Same tokens", "Bits lost per token", "Forward passes", "Keys read")
    head = "".join(f"<th scope='col'>{name}</th>" for name in names)
    rows = "".join(_row(lane, lanes[0]) for lane in lanes)
    return f"<div class='scroller' tabindex='0'><table class='what-if'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"


def _row(lane: LaneResult, untouched: LaneResult) -> str:
    cells = [
        html.escape(lane.text),
        _parting(lane, untouched),
        "" if lane.agreement is None else percent(lane.agreement),
        _lost(lane, untouched),
        str(lane.forwards),
        f"{lane.kv_entries:,} ({lane.kv_bytes / 2**20:.0f} MB)",
    ]
    return f"<tr><th scope='row'>{html.escape(lane.title)}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _parting(lane: LaneResult, untouched: LaneResult) -> str:
    if lane is untouched:
        return ""
    return f"position {lane.parting.position}, step {lane.parting.step + 1}" if lane.parting else "never"


def _lost(lane: LaneResult, untouched: LaneResult) -> str:
    if lane is untouched:
        return "0"
    if lane.lost is None:
        return "no interval: the answer is too short"
    _, low, high = lane.lost
    unclear = "; no loss is shown" if low <= 0 <= high else ""
    mean, low, high = (signed(bits(nats)) for nats in lane.lost)
    return f"{mean} ({low} to {high}{unclear})"
