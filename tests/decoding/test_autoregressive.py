"""The autoregressive lane against plain causal forwards without a cache."""

import dataclasses

import pytest
import torch

from sinkprune.decoding import autoregress
from sinkprune.models import causal_view
from sinkprune.sinks import record_attention
from tests.tiny_models import MASK, VOCABULARY, make_tiny

FAMILIES = ("llama", "qwen2", "qwen3")


def some_prompt(length=5):
    return torch.randint(4, VOCABULARY, (1, length), generator=torch.Generator().manual_seed(1))


def without_end(loaded):
    return dataclasses.replace(loaded, spec=dataclasses.replace(loaded.spec, eos_token_id=None))


@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_and_masses_equal_those_of_whole_forwards(tiny, family):
    loaded = without_end(tiny(family))
    view, canvas = causal_view(loaded), some_prompt()
    for index, step in enumerate(autoregress(loaded, canvas, 8, record=True)):
        with torch.inference_mode(), record_attention(view) as recording:
            logits = view.model(canvas, use_cache=False).logits[0, -1]
        logits = logits.clone()
        probabilities = logits.softmax(-1)
        logits[MASK] = -torch.inf
        token, length = logits.argmax().item(), canvas.shape[1]
        assert (step.index, step.block, step.nfe, step.rows) == (index, 0, index + 1, (0, length))
        assert step.committed.tolist() == [length]
        assert step.canvas.tolist() == [[*canvas[0].tolist(), token]]
        assert step.confidence[length].item() == pytest.approx(probabilities[token].item(), rel=1e-3)
        assert step.confidence[:length].isnan().all()
        torch.testing.assert_close(step.column_mass[..., :-1], recording.column_mass[:, 0], atol=1e-3, rtol=1e-3)
        assert step.column_mass[..., -1].eq(0).all()
        canvas = step.canvas
    assert canvas.shape[1] == 13


def test_stops_behind_the_end_token(tiny):
    free = without_end(tiny())
    tokens = [step.canvas[0, -1].item() for step in autoregress(free, some_prompt(), 12)]
    end = tokens[4]
    stopping = dataclasses.replace(free, spec=dataclasses.replace(free.spec, eos_token_id=end))
    written = [step.canvas[0, -1].item() for step in autoregress(stopping, some_prompt(), 12)]
    assert written == tokens[: tokens.index(end) + 1]
    other = dataclasses.replace(free, spec=dataclasses.replace(free.spec, eos_token_id=63, other_end_ids=(end, 62)))
    assert [step.canvas[0, -1].item() for step in autoregress(other, some_prompt(), 12)] == written


def test_recording_changes_no_token_and_nothing_is_left_behind(tiny):
    loaded = tiny()
    with torch.inference_mode():
        before = loaded.model(some_prompt()).logits
    plain = [step.canvas for step in autoregress(loaded, some_prompt(), 6)]
    recorded = []
    for step in autoregress(loaded, some_prompt(), 6, record=True):
        assert not torch.is_inference_mode_enabled()
        assert not step.column_mass.is_inference()
        recorded.append(step.canvas)
    assert all(torch.equal(a, b) for a, b in zip(plain, recorded, strict=True))
    assert loaded.model.config.is_causal is False
    with torch.inference_mode():
        assert torch.equal(loaded.model(some_prompt()).logits, before)


def test_weights_that_only_denoise_are_refused():
    loaded = make_tiny()
    loaded = dataclasses.replace(loaded, spec=dataclasses.replace(loaded.spec, causal=False))
    with pytest.raises(ValueError, match="only denoises"):
        autoregress(loaded, some_prompt(), 4)


@pytest.mark.parametrize(
    ("length", "gen_length", "message"), [(5, 0, "at least 1"), (250, 8, "up to 6"), (0, 4, "empty")]
)
def test_lengths_that_do_not_fit(tiny, length, gen_length, message):
    with pytest.raises(ValueError, match=message):
        autoregress(tiny(), some_prompt(length), gen_length)
