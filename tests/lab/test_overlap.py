import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sinkprune.lab.overlap import agreement, answer_end, distinct_ngrams, repeated_ngrams
from sinkprune.pruning.settings import layer_sparsity
from sinkprune.traces.parting import Divergence, answer_ids, first_divergence

TOKENS = st.lists(st.integers(0, 5), max_size=12)


def lane(*steps: dict[int, int], prompt: int = 2, visible: int = 6) -> dict:
    """A lane that commits {position: id} at each step."""
    frames = [{"committed": [[p, i, "", 1.0] for p, i in step.items()], "visible": visible} for step in steps]
    return {"promptLength": prompt, "maskId": -1, "frames": frames}


def test_agreement_golden():
    assert agreement([1, 2, 3, 4], [1, 9, 3, 4]) == 0.75
    assert agreement([1, 0, 7, 7], [1, 0, 8, 8], end_token_ids={0}) == 1.0  # nothing counts behind both ends
    assert agreement([1, 0, 7, 7], [1, 2, 0, 8], end_token_ids={0}) == pytest.approx(1 / 3)
    assert agreement([], []) == 1.0
    assert agreement([1], [1, 2]) == 0.5


@given(first=TOKENS, second=TOKENS, eos=st.none() | st.integers(0, 5))
def test_agreement_is_symmetric_and_a_share(first, second, eos):
    ends = set() if eos is None else {eos}
    value = agreement(first, second, ends)
    assert value == agreement(second, first, ends)
    assert 0 <= value <= 1
    assert agreement(first, first, ends) == 1


def test_answer_end_counts_the_end_token():
    assert answer_end([5, 6, 0, 0], {0}) == 3
    assert answer_end([5, 6, 9, 0], {0, 9}) == 3
    assert answer_end([5, 6], {0}) == 2
    assert answer_end([5, 6], ()) == 2


def test_divergence_is_a_conflict_and_not_another_order():
    assert first_divergence(lane({2: 1}, {3: 5}), lane({3: 5}, {2: 1})) is None
    assert first_divergence(lane({2: 1}, {3: 5}, {4: 7}), lane({3: 6}, {2: 1}, {4: 8})) == Divergence(1, 3)
    assert first_divergence(lane({2: 1, 3: 1}), lane({3: 2, 2: 2})) == Divergence(0, 2)


def test_divergence_waits_for_the_slower_lane():
    fast, slow = lane({2: 1, 3: 1}), lane({2: 1}, {3: 4})
    assert first_divergence(fast, slow) == Divergence(1, 3)
    assert first_divergence(slow, fast) == Divergence(1, 3)
    assert first_divergence(lane(), slow) is None


def test_answer_ids_are_the_canvas_behind_the_prompt():
    assert answer_ids(lane({3: 8}, {2: 7}), mask_token_id=99) == [7, 8, 99, 99]
    assert answer_ids(lane(), mask_token_id=99) == []


def test_ngrams_golden():
    assert repeated_ngrams([1, 2, 3, 4, 1, 2, 3, 4]) == pytest.approx(0.2)  # five 4-grams, the last one again
    assert repeated_ngrams([1, 1, 1, 1, 1, 1, 1]) == 0.75
    assert distinct_ngrams([1, 2], n=1) == 1
    assert distinct_ngrams(range(50)) == 1
    assert distinct_ngrams([1, 2] * 25) < 0.1
    assert distinct_ngrams([1, 2, 3]) == 1
    assert repeated_ngrams([1, 2, 3]) == 0


@given(tokens=st.lists(st.integers(0, 3), max_size=30), n=st.integers(1, 5))
def test_repeated_ngrams_counts_earlier_occurrences(tokens, n):
    ngrams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    again = sum(ngram in ngrams[:i] for i, ngram in enumerate(ngrams))
    assert repeated_ngrams(tokens, n) == pytest.approx(again / len(ngrams) if ngrams else 0)


def test_layer_sparsity_weighs_linears_by_size():
    masks = {
        "model.layers.10.mlp.up_proj": torch.tensor([[True, True]]),
        "model.layers.2.mlp.up_proj": torch.tensor([[True, False, False, False, False, False]]),
        "model.layers.2.self_attn.q_proj": torch.tensor([[True, True]]),
    }
    assert layer_sparsity(masks) == [3 / 8, 1.0]
