"""Each property is found where it is, with the true numbers in its sentence, and not where it is not."""

import pytest

from sinkprune.recorded.properties import PROPERTIES, best_finding
from sinkprune.recorded.watched import Reign, Watched, token_words
from tests.traces.run_samples import LENGTH, make_run


def found(name: str, *arguments, **options):
    return best_finding(name, Watched(make_run(*arguments, **options)))


def test_reigns_and_tokens_are_those_of_the_run():
    run = Watched(make_run([[2, 2, 9, 9, 2]], {9: (1, " sun")}))
    assert run.reigns(0) == [Reign(2, 0, 1), Reign(9, 2, 3), Reign(2, 4, 4)]
    assert run.token(9) == "“sun”"
    assert run.token_at(9, 1) == "the mask at position 9"
    assert run.token_at(9, 2) == "“sun”"


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        (" a", 3, "“a”"),
        ("<|im_end|>", 7, "the end mark at position 7"),
        ("<|endoftext|>", 0, "the begin mark"),
        ("<|im_start|>", 4, "the mark “im_start”"),
        ("\n", 5, "the line break at position 5"),
        (" ", 5, "the space at position 5"),
        ("<b>hi", 1, "“<b>hi”"),
    ],
)
def test_tokens_in_words(text, position, words):
    assert token_words(text, position) == words


def test_the_sink_follows_the_writing():
    written = {8: (1, " sun"), 20: (3, " sea")}
    leaders = [2, 2, 8, 8, 20, 20]
    finding = found("writing", [leaders], written)
    assert "the lead moves twice, 2 of these to a token just written (“sun” and “sea”)" in finding.look
    assert "never leaves position 0" in finding.look
    assert found("writing", [leaders], {8: (0, " sun"), 20: (0, " sea")}) is None  # written long before
    assert found("writing", [leaders], written, causal=[0, 0, 1, 0, 0, 0]) is None  # the causal lead moves too
    assert (
        found("writing", [leaders], {8: (written[8][0], "<|im_end|>"), 20: written[20]}) is None
    )  # one of the two is no text


def test_a_long_drift():
    finding = found("drift", [list(range(2, 34, 2))])
    assert "from position 5 in the first quarter of the steps to 29 in the last" in finding.look
    assert found("drift", [list(range(34, 2, -2))]) is None
    assert found("drift", [[2, 30] * 8]) is None  # back and forth is no drift
    assert found("drift", [[2] * 16]) is None


def test_a_jump_at_the_edge_of_a_block():
    leaders, blocks = [2, 2, 2, 20, 20, 20], [0, 0, 0, 1, 1, 1]
    finding = found("edge", [leaders], {20: (0, " sea")}, blocks=blocks)
    assert (
        finding.look
        == "Averaged over all layers: the lead jumps 18 positions, from “p2” to “sea”, in step 4, the first of block 2."
    )
    assert found("edge", [leaders], blocks=[0, 0, 1, 1, 1, 1]) is None
    assert found("edge", [[2, 2, 2, 4, 4, 4]], blocks=blocks) is None  # too short to be seen as a jump


def test_a_sink_that_dies():
    finding = found("dies", [[3] * 4 + [9] * 8])
    assert (
        "“p3” leads in 4 of the first 4 steps, and from step 5 to the last, 12, it is no sink any more" in finding.look
    )
    assert found("dies", [[3] * 4 + [9] * 7 + [3]]) is None  # it comes back


def test_punctuation_at_the_last_step():
    written = {10: (0, "."), 20: (0, ","), 30: (0, " sea")}
    finding = found("punctuation", [[10] * 4, [20] * 4], written)
    assert finding.look == (
        "Averaged over all layers: at the last step all 2 sinks are punctuation, and the 2 punctuation marks among 40 positions take "
        "51 % of the attention."
    )
    assert found("punctuation", [[30] * 4, [20] * 4], written) is None


def test_a_mask_that_becomes_a_sink():
    finding = found("mask", [[2, 2, 30, 30, 30, 30, 2]], {30: (4, " sea")})
    assert (
        "position 30, a mask until step 5, is no sink at first, becomes one at step 3 and leads in 3 steps"
        in finding.look
    )
    assert found("mask", [[2, 2, 30, 30, 30, 30, 2]], {30: (1, " sea")}) is None
    assert found("mask", [[30] * 6], {30: (5, " sea")}) is None  # a sink from the first step on


def test_diffusion_against_autoregressive():
    finding = found("contrast", [[2, 30] * 4])
    assert "between positions 2 and 30 under diffusion (temporal variance 196 tokens²) and stays at 0" in finding.look
    assert found("contrast", [[2, 30] * 4], causal=[0, 9] * 4) is None
    assert found("contrast", [[2, 30] * 4], causal=None) is None


def test_what_the_mean_hides_and_what_stays():
    still, moving = [2] * 9, [5, 5, 5, 9, 9, 9, 5, 5, 5]
    finding = found("hides", [still, still, still, moving])
    assert (
        "“p2” (position 2) leads at every step: choose layer 4, where the lead moves twice; it moves in 1 of 4 layers"
        in finding.look
    )
    assert finding.layer is None
    assert found("hides", [still, still]) is None
    assert "in 3 of 4 layers the lead never moves" in found("stays", [still, still, still, moving]).look
    assert found("stays", [moving]) is None


def test_the_lead_walks_backwards():
    finding = found("backwards", [[2, 30, 25, 20, 20, 12, 33]])
    assert "backwards 3 times in a row, from position 30 at step 2 to position 12 at step 6" in finding.look
    assert found("backwards", [[2, 30, 25, 20, 33]]) is None


def test_cached_decoding():
    rows = [(0, LENGTH), (6, 16), (6, 16), (16, 30)]
    finding = found("cached", [[2] * 4], rows=rows, cache="dual")
    assert "With the dual cache 3 of 4 forward passes compute at most 14 of 40 positions" in finding.look
    assert found("cached", [[2] * 4]) is None
    assert found("cached", [[2] * 4], rows=[(0, LENGTH)] * 4, cache="dual") is None


def test_a_cached_run_is_no_example_of_anything_else():
    leaders = [2, 2, 2, 20, 20, 20]
    assert found("edge", [leaders], blocks=[0, 0, 0, 1, 1, 1])
    assert found("edge", [leaders], blocks=[0, 0, 0, 1, 1, 1], cache="dual") is None


def test_many_tokens_at_once():
    written = dict.fromkeys(range(6, 16), (1, " word")) | dict.fromkeys(range(16, LENGTH), (2, "<|im_end|>"))
    finding = found("parallel", [[2] * 4], written)
    assert "4 forward passes write 34 positions: step 2 alone writes 10 tokens of text at once" in finding.look
    assert found("parallel", [[2] * 4], dict.fromkeys(range(6, LENGTH), (2, "<|im_end|>"))) is None


@pytest.mark.parametrize("name", PROPERTIES)
def test_a_run_with_one_still_lane_breaks_nothing(name):
    found(name, [[2] * 4], causal=None)
