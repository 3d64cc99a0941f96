"""Sentences that carry a visitor's or a model's words stay text; lines of progress say where a prune is."""

import pytest

from sinkprune.pruning import METHODS, PruneProgress
from sinkprune.pruning.methods import BY_NAME
from sinkprune.ui.words.text import (
    DROPPED,
    HOLDS,
    as_sentence,
    final_mark,
    method_line,
    note,
    progress_line,
)


def test_a_note_is_text():
    assert "<img" not in note("<img src=x>", "<img src=x onerror=alert(1)>")


def test_errors_become_sentences():
    assert as_sentence(ValueError("the prompt is empty: type a few words")) == "The prompt is empty: type a few words."
    assert as_sentence(ValueError("gen_length 33 is odd.")) == "gen_length 33 is odd."
    assert as_sentence(ValueError("")) == "."


def test_only_a_prompt_that_ends_with_a_mark_is_told_what_became_of_the_mark():
    assert [final_mark(prompt, dropped=False) for prompt in ("Why?", "Run. ", "Oh!")] == [HOLDS] * 3
    assert [final_mark(prompt, dropped=False) for prompt in ("Why", "Why? Because", "", "?")] == [""] * 4
    assert [final_mark(prompt, dropped=True) for prompt in ("Why?", "Why ", "!")] == [DROPPED, "", ""]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_explained_in_one_line(method):
    line = method_line(method, None)
    assert f"<b>{method}</b>: {BY_NAME[method].words}." in line
    assert " s " not in line
    assert "about 54 s on this machine" in method_line(method, 53.9)
    assert "about 1 s on" in method_line(method, 0.2)
    assert "is there already" in method_line(method, 0.0)


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (None, "Preparing"),
        (PruneProgress("sinks", None, 12, (), 3, 32, 1.5), "sequence 3 of 32 · 1.5 s"),
        (PruneProgress("inputs", 4, 12, (), 2, 4, 2.0), "Layer 5 of 12: measuring its inputs, batch 2 of 4"),
        (PruneProgress("inputs", None, 12, (), 2, 4, 2.0), "<p>Measuring the inputs of all layers, batch 2 of 4"),
        (PruneProgress("weights", 11, 12, (), 1, 4, 2.0), "Layer 12 of 12: cutting"),
        (PruneProgress("outputs", 0, 12, (), 1, 4, 2.0), "Layer 1 of 12: running"),
        (PruneProgress("layer", 0, 12, (), 1, 1, 2.0), "Layer 1 of 12: done"),
    ],
)
def test_progress_in_words(progress, words):
    assert words in progress_line(progress)
