"""Sentences that carry a visitor's or a model's words stay text; lines of progress say where a prune is."""

import pytest

from sinkprune.pruning import METHODS, PruneProgress
from sinkprune.ui.words.text import (
    DROPPED,
    HOLDS,
    METHODS_IN_WORDS,
    final_mark,
    method_choices,
    note,
    progress_line,
    seconds_info,
)
from tests.recorded.table_samples import made_up_table


def test_a_note_is_text():
    assert "<img" not in note("<img src=x>", "<img src=x onerror=alert(1)>")


def test_only_a_prompt_that_ends_with_a_mark_is_told_what_became_of_the_mark():
    assert [final_mark(prompt, dropped=False) for prompt in ("Why?", "Run. ", "Oh!")] == [HOLDS] * 3
    assert [final_mark(prompt, dropped=False) for prompt in ("Why", "Why? Because", "", "?")] == [""] * 4
    assert [final_mark(prompt, dropped=True) for prompt in ("Why?", "Why ", "!")] == [DROPPED, "", ""]


def test_every_method_is_explained():
    assert tuple(METHODS_IN_WORDS) == METHODS
    assert [name for _, name in method_choices(None)] == list(METHODS)


def test_the_seconds_of_a_method_are_those_of_the_table():
    labels = {name: words for words, name in method_choices(made_up_table())}
    assert labels["wanda"] == METHODS_IN_WORDS["wanda"] + " (2 s)"
    assert seconds_info(made_up_table()).startswith(
        "in brackets: seconds measured at 50 % with 4 calibration sequences"
    )
    assert (METHODS_IN_WORDS["wanda"], "wanda") in method_choices(None)
    assert seconds_info(None) is None


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
