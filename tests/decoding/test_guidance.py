"""Classifier-free guidance: LLaDA's formula written out, with and without a cache, in decoding."""

import pytest
import torch

from sinkprune.decoding import DecodeConfig, denoise, generate
from sinkprune.decoding.cache import CanvasCache, rows_to_forward
from sinkprune.decoding.guidance import guided
from tests.decoding.samples import FAMILIES, LLAMA, MODELS, some_prompt
from tests.decoding.test_denoising import count_forwards
from tests.tiny_models import MASK, make_tiny


def batched_guidance(loaded, prompt, config):
    """The official way: canvas and unguided canvas as a batch of two, every logit kept; one token a step, the surest first."""
    canvas = torch.cat([prompt, torch.full((1, config.gen_length), MASK)], 1)
    given, cache = canvas[0] != MASK, CanvasCache() if config.cache != "none" else None
    for start in range(prompt.shape[1], canvas.shape[1], config.block_length):
        end = start + config.block_length
        for step in range(config.block_length):
            bare = canvas.clone()
            bare[0, given] = MASK
            rows = slice(*rows_to_forward(config.cache, step == 0, start, end, canvas.shape[1]))
            if cache:
                cache.overwrite_from(rows.start)
            with torch.inference_mode():
                both = loaded.model(
                    torch.cat([canvas, bare])[:, rows],
                    position_ids=torch.arange(rows.start, rows.stop)[None].expand(2, -1),
                    past_key_values=cache,
                    use_cache=cache is not None,
                ).logits
            with_text, without = both.double()
            logits = without + (config.cfg_scale + 1) * (with_text - without)
            best = []
            for position in range(start, end):
                if canvas[0, position] == MASK:
                    row = logits[position - rows.start]
                    probabilities, row = row.softmax(-1), row.clone()
                    row[MASK] = -torch.inf
                    token = row.argmax().item()
                    best.append((probabilities[token].item(), position, token))
            _, position, token = max(best)
            canvas[0, position] = token
    return canvas


@pytest.mark.parametrize("cache", ["none", "prefix", "dual"])
@pytest.mark.parametrize("scale", [0.5, 2.0])
@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_are_those_of_the_official_formula(family, scale, cache):
    loaded, prompt = (
        make_tiny(family, initializer_range=0.25),
        some_prompt(7),
    )  # larger weights end in ties at confidence 1
    config = DecodeConfig(16, 8, 16, cache=cache, cfg_scale=scale)
    forwards = count_forwards(loaded)
    result = generate(loaded, prompt, config)
    forwards.remove()
    assert torch.equal(result.tokens, batched_guidance(loaded, prompt, config))
    assert result.nfe == forwards.count == 2 * len(result.steps) == 32
    assert not torch.equal(result.tokens, generate(loaded, prompt, DecodeConfig(16, 8, 16, cache=cache)).tokens)


def test_the_formula():
    conditional, unconditional = torch.tensor([2.0, 0.0]), torch.tensor([1.0, 1.0])
    assert torch.equal(guided(conditional, unconditional, 0.0), conditional)
    assert torch.equal(guided(conditional, unconditional, 2.0), torch.tensor([4.0, -2.0]))


def test_scale_zero_is_one_forward_a_step():
    result = generate(LLAMA, some_prompt(), DecodeConfig(8, 8, 8, cfg_scale=0.0))
    assert result.nfe == len(result.steps) == 8


@pytest.mark.parametrize("shift", [False, True])
def test_the_recorded_attention_is_that_of_the_canvas_as_it_is(shift):
    loaded, prompt = MODELS["qwen2", shift], some_prompt()
    plain = next(denoise(loaded, prompt, DecodeConfig(8, 8, 8), record=True))
    with_guidance = next(denoise(loaded, prompt, DecodeConfig(8, 8, 8, cfg_scale=1.0), record=True))
    assert torch.equal(plain.column_mass, with_guidance.column_mass)


@pytest.mark.parametrize("scale", [-0.5, 11.0, float("nan")])
def test_scales_out_of_bounds_are_refused(scale):
    with pytest.raises(ValueError, match="cfg_scale must lie between 0"):
        DecodeConfig(cfg_scale=scale)
