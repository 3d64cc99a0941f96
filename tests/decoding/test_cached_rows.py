"""What the cache modes forward: exact rows where nothing changed, which rows each step reads, and blocks of models with shifted logits."""

import pytest
import torch

from sinkprune.decoding import DecodeConfig, denoise, generate
from sinkprune.decoding.cache import CanvasCache
from tests.decoding.samples import FAMILIES, LLAMA, MODELS, some_prompt


def logits_and_full_cache(loaded, canvas):
    cache = CanvasCache()
    with torch.inference_mode():
        whole = loaded.model(canvas, past_key_values=cache, use_cache=True).logits
    return whole, cache


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("end", [12, 20])
def test_cached_rows_are_exact_while_the_rest_is_unchanged(family, end):
    """Prefix (to the canvas's end) and dual (the block alone) forwards on frozen tokens, several times over one cache."""
    loaded, canvas, start = MODELS[family, False], some_prompt(20), 8
    whole, cache = logits_and_full_cache(loaded, canvas)
    for _ in range(3):
        cache.overwrite_from(start)
        with torch.inference_mode():
            rows = loaded.model(
                canvas[:, start:end],
                past_key_values=cache,
                use_cache=True,
                position_ids=torch.arange(start, end)[None],
            ).logits
        torch.testing.assert_close(rows, whole[:, start:end], atol=1e-4, rtol=1e-4)
    assert cache.layers[0].keys.shape[-2] == 20


@pytest.mark.parametrize("family", FAMILIES)
def test_cache_modes_agree_where_the_cache_is_exact(family):
    """Every mode begins with the same full forward, and on one block that ends the canvas prefix and dual are the same thing."""
    loaded, prompt = MODELS[family, False], some_prompt()
    firsts = {
        cache: next(denoise(loaded, prompt, DecodeConfig(16, 8, 16, cache=cache), record=True))
        for cache in ("none", "prefix", "dual")
    }
    for step in firsts.values():
        assert torch.equal(step.canvas, firsts["none"].canvas)
        assert torch.equal(step.column_mass, firsts["none"].column_mass)
        assert step.rows == (0, 22)
    one_block = [generate(loaded, prompt, DecodeConfig(16, 16, 16, cache=cache)) for cache in ("prefix", "dual")]
    assert torch.equal(one_block[0].tokens, one_block[1].tokens)


def test_rows_say_what_was_forwarded():
    for cache, later in (("none", (0, 22)), ("prefix", (14, 22)), ("dual", (14, 22))):
        steps = generate(LLAMA, some_prompt(), DecodeConfig(16, 8, 16, cache=cache)).steps
        assert steps[8].rows == (0, 22)
        assert steps[9].rows == later
    assert generate(LLAMA, some_prompt(), DecodeConfig(16, 8, 16, cache="dual")).steps[1].rows == (6, 14)
    assert generate(LLAMA, some_prompt(), DecodeConfig(16, 8, 16, cache="prefix")).steps[1].rows == (6, 22)


@pytest.mark.parametrize("cache", ["prefix", "dual"])
def test_with_shifted_logits_a_cached_block_begins_with_its_first_token_alone(cache):
    steps = generate(MODELS["qwen2", True], some_prompt(), DecodeConfig(16, 8, 8, cache=cache)).steps
    for block in (0, 1):
        first, *later = [step for step in steps if step.block == block]
        assert first.committed.tolist() == [6 + 8 * block]
        assert first.rows == (0, 22)
        assert all(step.rows[0] == 6 + 8 * block for step in later)
        assert len(later) == 3
