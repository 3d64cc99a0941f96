"""The temperature of the student: what is measured for a scale is what the scaled model gives, and nothing else changes."""

import copy
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sinkprune.lab.likelihood import ANSWER_LEVELS
from sinkprune.training.prompts import held_out_prompts, validation_prompts
from sinkprune.training.temperature import FREE, scale_logits, scaled_cross_entropy, smallest_free_scale

SCALES = (1.0, 0.8, 0.5)


def canvases():
    generator = torch.Generator().manual_seed(3)
    draw = [torch.randint(4, 40, (size,), generator=generator) for size in (5, 12, 7, 16)]
    return [(draw[0][None], draw[1]), (draw[2][None], draw[3])]


def scaled(loaded, scale):
    model = copy.deepcopy(loaded.model)
    scale_logits(model, scale)
    return replace(loaded, model=model)


def test_what_is_measured_for_a_scale_is_the_loss_of_the_scaled_model(tiny):
    loaded = tiny("llama", initializer_range=0.5)
    measured = scaled_cross_entropy(loaded, canvases(), SCALES)
    assert len(set(measured.tolist())) == len(SCALES)
    for scale, loss in zip(SCALES, measured, strict=True):
        assert scaled_cross_entropy(scaled(loaded, scale), canvases(), (1.0,)).item() == pytest.approx(
            loss.item(), rel=1e-4
        )


def test_a_model_that_knows_nothing_loses_the_logarithm_of_its_vocabulary(tiny):
    loaded = scaled(tiny("llama"), 0.0)
    losses = scaled_cross_entropy(loaded, canvases(), SCALES)
    assert losses.tolist() == pytest.approx([torch.tensor(loaded.model.config.vocab_size).log().item()] * len(SCALES))


def test_as_many_tokens_are_masked_as_the_levels_say(tiny):
    loaded = tiny("llama")
    seen = []
    handle = loaded.model.base_model.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    try:
        scaled_cross_entropy(loaded, canvases()[:1], (1.0,))
    finally:
        handle.remove()
    masks = (seen[0] == loaded.spec.mask_token_id).sum(1).tolist()
    assert masks == [max(1, round(level * 12)) for level in ANSWER_LEVELS]


def test_the_likeliest_token_stays(tiny):
    loaded, ids = tiny("llama", initializer_range=0.5), torch.arange(4, 20)[None]
    logits, other = loaded.model(ids).logits, scaled(loaded, 0.7).model(ids).logits
    assert torch.equal(logits.argmax(-1), other.argmax(-1))
    assert torch.allclose(0.7 * logits, other, rtol=1e-4, atol=1e-5)


@given(st.lists(st.floats(0.5, 3.0), min_size=1, max_size=6))
def test_the_smallest_scale_that_costs_nothing_is_taken(losses):
    scales = [1.0 - 0.05 * i for i in range(len(losses))]
    chosen = smallest_free_scale(losses, scales)
    assert losses[scales.index(chosen)] < losses[0] + FREE
    assert all(loss >= losses[0] + FREE for scale, loss in zip(scales, losses, strict=True) if scale < chosen)


def test_no_choice_is_made_on_a_held_out_prompt():
    assert len(set(validation_prompts())) == 128
    assert not set(validation_prompts()) & set(held_out_prompts())
