"""Sentences that carry a visitor's or a model's words stay text; lines of progress say where a prune is."""

import pytest

from sinkprune.pruning import METHODS, PruneProgress
from sinkprune.ui.text import METHODS_IN_WORDS, note, progress_line


def test_a_note_is_text():
    assert "<img" not in note("<img src=x>", "<img src=x onerror=alert(1)>")


def test_every_method_is_explained():
    assert tuple(METHODS_IN_WORDS) == METHODS


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
