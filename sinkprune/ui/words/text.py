"""The page's words that are longer than a label."""

from __future__ import annotations

import html

from sinkprune.models.chat import without_final_mark
from sinkprune.pruning import PruneProgress
from sinkprune.pruning.methods import BY_NAME
from sinkprune.recorded.comparison import RecordedComparison
from sinkprune.ui.server.kept_runs import KEPT, LIVE, SHARED
from sinkprune.ui.server.scheduler import Waiting

HERO = """
<header class="hero">
  <h1>sinkprune</h1>
  <p>Watch a language model write by filling in masks, and see which token it looks at most.</p>
</header>
"""

ABOUT = """
<p class="about">A diffusion language model writes by filling in masks. The tokens that attract its attention, the <em>attention sinks</em>,
  move while it writes. The paper that prunes such models with their sinks in mind is
  <a href="https://arxiv.org/abs/2602.17664" target="_blank" rel="noopener">arXiv 2602.17664</a>.
  The model is small on purpose: its card, <code>assets/bundled/README.md</code>, says how it was made and what it can do.
  Read its text for <em>how</em> it writes, not for what it knows.</p>
"""

DEFINITIONS = """
- **Attention received** (column mass, eq. 5): how much attention a token position gets from all queries, averaged over layers and heads.
  It is shown in units of the mean, so 1 is what uniform attention would give.
- **Sink**: a position that receives more than the mean plus two standard deviations (the rule of the official code). The player lets you
  choose the paper's rule and its constant instead; the figures keep to this one.
- **Autoregressive lane**: the same weights with a causal mask, one token a step, and one begin mark before the prompt, which makes every
  position one higher than in the diffusion lane. Every query there sees position 0.
- **Marks**: tokens that are no words. *im_start* stands where the prompt ends and the answer begins, ∎ (the end mark) where the answer
  ends; the rest of the canvas is filled with end marks.
- **Which layer**: a recorded run opens in the layer that shows best what it was chosen for; a live run in the layer chosen above.
- **The recorded prompts**: `python -m sinkprune.recorded.prompt_set` writes each of them in both lanes and keeps the numbers. The
  typical one, shown in full, has the median temporal variance.
"""

HOLDS = "The mark at the end of this prompt tends to hold the leading sink: run it without to see the sinks move more."
DROPPED = "This model reads the prompt without the mark at its end, so that mark is not among the tokens."


CHANGES = {  # figure -> (title, definition)
    "strength": (
        "Sink strength of each head (Fig. 7, left)",
        "<p>The share of a head's attention that goes to sink tokens, in the dense model on noised calibration text: mean over queries, "
        "noise levels and 8 sequences. Sinks are found by the rule that pruning used.</p>",
    ),
    "disagreement": (
        "Masks that differ, by head (Fig. 7, XOR)",
        "<p>The share of a head's weights that exactly one of the two copies pruned. A head owns its rows of q, its columns of o and its "
        "part of k and v.</p>",
    ),
    "difference": (
        "Sparsity gained or lost, by head (Fig. 8)",
        "<p>Sparsity of the sink-aware copy less that of its twin, in percentage points: red, it prunes more here; blue, it keeps more. "
        "Methods that prune each output row equally can differ in the columns of o only.</p>",
    ),
    "linears": (
        "Masks that differ, by linear",
        "<p>The share of a linear's weights that exactly one of the two copies pruned, attention and MLP.</p>",
    ),
}


COMMITS = """
<details class='definition'><summary>What is this?</summary><p>Above: how many tokens each forward pass wrote for good. Below: how sure the
model was of the surest of them. Parallel decoding commits every token of the block above the dotted line. A cross marks a pass in which
none was: confidence was lost there, one token was committed all the same, and a forward pass was spent on it.</p></details>
"""

NO_TABLE = "Not measured for this model yet: `python -m sinkprune.recorded.pruning_table` measures it."

TABLE_TERMS = """
- **Bits per token**: how many bits the model needs for a token of the teacher's answers to held-out prompts, the bound of LLaDA's
  masked likelihood. The teacher is the model whose answers this one was trained on. Every copy sees the
  same texts with the same masks, so differences are paired.
- **Interval**: 95 %, over calibration seeds and texts at once, both drawn from many. *Above dense*: copy less dense model.
- **Saved**: bits of the baseline less bits of the sink-aware method. A win is an interval above 0, a loss one below, a tie holds 0.
- **Weight 1**: the same method with only the sink weight switched off. For sink-sparsegpt that is sparsegpt, mask for mask; wanda differs
  from sink-wanda in noise and sums as well.
- **Agreement**: share of tokens equal to the dense model's at the same position, in greedy answers (threshold 0.9, dual cache).
  Two good answers that part early agree little.
- **Forward pass**: dense time / pruned time, measured in turns. Only structured copies are faster.
"""


def note(kind: str, sentence: str) -> str:
    """The line that says what is shown: a recorded run, a live one, a stopped one."""
    badge = f"<b class='badge'>{html.escape(kind)}</b> " if kind else ""
    return f"<p class='note' role='status'>{badge}{html.escape(sentence)}</p>"


def as_sentence(error: Exception) -> str:
    """What an error says, with a capital letter, unless the name of a setting comes first, and a full stop."""
    said = str(error)
    first = said[:1] if "_" in said.partition(" ")[0] else said[:1].upper()
    return f"{first}{said[1:]}{'' if said.endswith(('.', '?', '!')) else '.'}"


def recorded_note(found: RecordedComparison, written_by: str, button: str) -> str:
    """What stands above the comparison that the page opens with. button: what replaces it by the visitor's own."""
    return note(
        "Recorded",
        f"“{found.request.prompt}”, written by the model {found.request.model} and by {written_by}, in seconds of the machine that "
        f"recorded it ({found.machine}). {button} does the same with the prompt above, on this machine.",
    )


def waiting_line(place: Waiting) -> str:
    """A place in the line, and how to leave it."""
    if place.before == 0:
        return note("Waiting", "The model is free in a moment.")
    seconds = "" if place.seconds is None else f", about {max(1, round(place.seconds))} s"
    return note(
        "Waiting",
        f"{place.before} before you{seconds}. Recorded runs play meanwhile; the button beside Run leaves the line.",
    )


def kept_words(how: str) -> str:
    """What a visitor should know of a run that they did not start; "" for one that they did."""
    return {
        LIVE: "",
        SHARED: "Somebody asked for the same a moment before: you watch the same run.",
        KEPT: "An earlier visitor asked for the same: this is that run, identical, with its own seconds.",
    }[how]


def final_mark(prompt: str, dropped: bool) -> str:
    """What became of the full stop, question or exclamation mark at the prompt's end, "" without one. dropped: it is not read."""
    if without_final_mark(prompt) == prompt.rstrip():
        return ""
    return DROPPED if dropped else HOLDS


def method_line(method: str, seconds: float | None) -> str:
    """What a method does, and how long its copy takes here. seconds: see `Workbench.seconds_to_prune`."""
    words = f"<b>{method}</b>: {BY_NAME[method].words}."
    if seconds is None:
        return f"<p class='method-line'>{words}</p>"
    wait = (
        "This copy is there already."
        if seconds == 0
        else f"Pruning takes about {max(1, round(seconds))} s on this machine."
    )
    return f"<p class='method-line'>{words} {wait}</p>"


def progress_bar(share: float, about: str, words: str) -> str:
    """How much is done, as a bar and a sentence, which is HTML already."""
    bar = f"<progress value='{share:.3f}' max='1' aria-label='{about}'></progress>"
    return f"<div class='progress'>{bar}<p>{words}</p></div>"


def progress_line(progress: PruneProgress | None, method: str = "", before: int = 0, methods: int = 1) -> str:
    """Where a prune is, as a bar and a sentence; None before its first step. method: named where several are pruned in turn.

    before, methods: how many of them are done, and of how many; the bar is that of the whole.
    """
    if progress is None:
        return (
            "<div class='progress'><progress aria-label='Pruning'></progress><p>Preparing a copy of the model</p></div>"
        )
    step = f"{progress.done} of {progress.total}"
    where = {
        "sinks": f"Finding the sinks in noised text: sequence {step}",
        "inputs": f"{'Measuring the inputs of all layers' if progress.layer is None else 'measuring its inputs'}, batch {step}",
        "weights": f"cutting weights, group {step}",
        "outputs": f"running the text through it, batch {step}",
        "layer": "done",
    }[progress.phase]
    layer = "" if progress.layer is None else f"Layer {progress.layer + 1} of {progress.layers}: "
    share = progress.done / progress.total if progress.layer is None else (progress.layer + 0.5) / progress.layers
    named = f"{html.escape(method)} · " if method else ""
    return progress_bar((before + share) / methods, "Pruning", f"{named}{layer}{where} · {progress.seconds:.1f} s")
