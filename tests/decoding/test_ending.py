"""Stopping where the answer has ended: the text is that of the whole run, in fewer forwards."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sinkprune.decoding import DecodeConfig, denoise, generate, resume
from sinkprune.decoding.ending import positions_after_end
from sinkprune.lab.overlap import answer_end
from tests.decoding.samples import LLAMA, some_prompt
from tests.tiny_models import MASK

WORD, END, OTHER_END = 9, 2, 5
ENDS = {END, OTHER_END}


def slow_after_end(answer):
    """The definition, written out: None while a reader may still see a change."""
    for first, token in enumerate(answer):
        if token in ENDS:
            if MASK in answer[:first] or any(later not in ENDS | {MASK} for later in answer[first:]):
                return None
            return [place for place, later in enumerate(answer) if later == MASK]
    return None


@settings(max_examples=300)
@given(st.lists(st.sampled_from([WORD, END, OTHER_END, MASK]), min_size=1, max_size=8))
def test_an_answer_has_ended_when_its_end_is_written_and_only_ends_follow(answer):
    found = positions_after_end(torch.tensor(answer), MASK, ENDS)
    assert (None if found is None else found.tolist()) == slow_after_end(answer)


def test_a_model_without_an_end_token_writes_to_the_last_position():
    assert positions_after_end(torch.tensor([WORD, MASK]), MASK, frozenset()) is None


def ending_with(tokens):
    """The tiny model, for which these tokens end an answer: so that it writes some."""
    first, *others = tokens
    return dataclasses.replace(
        LLAMA, spec=dataclasses.replace(LLAMA.spec, eos_token_id=first, other_end_ids=tuple(others))
    )


@settings(max_examples=60)
@given(
    st.sampled_from([{}, {"threshold": 0.6}, {"factor": 1.5}, {"temperature": 0.8}, {"cfg_scale": 0.5}]),
    st.sampled_from(["none", "prefix", "dual", "sparse"]),
    st.sampled_from([4, 8]),
    st.integers(0, 3),
    st.integers(1, 12),
)
def test_the_text_is_that_of_the_whole_run(rule, cache, block_length, seed, ends):
    config = DecodeConfig(24, block_length, 24, cache=cache, seed=seed, **rule)
    prompt = some_prompt(seed=seed)
    written = generate(LLAMA, prompt, config).tokens[0, 6:].tolist()
    loaded = ending_with(written[-ends:])  # what the last positions hold, here and there before them too
    whole = generate(loaded, prompt, config)
    short = generate(loaded, prompt, dataclasses.replace(config, stop_at_end=True))
    tokens, shortened = whole.tokens[0, 6:].tolist(), short.tokens[0, 6:].tolist()
    end = answer_end(tokens, loaded.spec.end_token_ids)
    assert answer_end(shortened, loaded.spec.end_token_ids) == end
    assert shortened[:end] == tokens[:end]
    assert set(shortened[end:]) <= loaded.spec.end_token_ids or shortened == tokens
    assert MASK not in shortened
    assert short.nfe <= whole.nfe
    for one, other in zip(short.steps, whole.steps, strict=False):  # every forward it makes is one of the whole run
        assert torch.equal(one.committed, other.committed)
    *before, last = short.steps
    assert all(step.filled is None for step in before)
    if last.filled is not None:
        assert set(last.canvas[0, last.filled].tolist()) <= loaded.spec.end_token_ids
        assert not set(last.filled.tolist()) & set(last.committed.tolist())


def always_writes(token):
    loaded = ending_with([token])
    model = type(LLAMA.model)(LLAMA.model.config).eval().requires_grad_(False)
    model.load_state_dict(LLAMA.model.state_dict())
    model.lm_head.weight.zero_()  # all tokens are as likely: the first one is taken
    return dataclasses.replace(loaded, model=model)


def test_one_forward_is_enough_where_the_answer_is_empty():
    loaded = always_writes(0)
    short = generate(loaded, some_prompt(), DecodeConfig(16, 8, 16, stop_at_end=True), record=True)
    assert short.nfe == 1  # the first forward commits the end token at the first position
    assert short.tokens[0, 6:].tolist() == [0] * 16
    assert short.steps[0].filled.tolist() == list(range(7, 22))
    assert generate(loaded, some_prompt(), DecodeConfig(16, 8, 16)).nfe == 16


def test_words_after_the_end_go_on_being_written():
    """A blank that ends the sentence does not end the text that stands after it."""
    loaded = always_writes(0)
    text = torch.tensor([[8, MASK, MASK, 9, 0]])
    config = DecodeConfig(2, 2, 2, stop_at_end=True)
    assert generate(loaded, text, config, blanks=True).nfe == 2
    assert generate(loaded, torch.tensor([[8, MASK, MASK, 0]]), config, blanks=True).nfe == 1


def test_a_run_that_stopped_goes_on_after_an_edit():
    loaded, config = always_writes(0), DecodeConfig(16, 8, 16, stop_at_end=True)
    steps = list(denoise(loaded, some_prompt(), config))
    with pytest.raises(ValueError, match="nothing is left"):
        resume(loaded, some_prompt(), config, steps, 0)
    again = list(resume(loaded, some_prompt(), config, steps, 0, {6: MASK, 7: WORD, 8: MASK}))
    assert [step.committed.tolist() for step in again] == [[6], [8]]  # an end before a word ends nothing


@pytest.mark.parametrize("value", [1, None, "yes"])
def test_the_option_is_yes_or_no(value):
    with pytest.raises(ValueError, match="stop_at_end must be True or False"):
        DecodeConfig(stop_at_end=value)
