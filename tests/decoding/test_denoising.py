"""The denoising loop: the official code's tokens, and what must hold for every model, cache mode and rule."""

import dataclasses
import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sinkprune.decoding import DecodeConfig, denoise, generate
from tests.decoding.official_factor import slow_factor
from tests.decoding.official_runs import OFFICIAL, official_config
from tests.decoding.samples import FAMILIES, LLAMA, MODELS, some_prompt
from tests.tiny_models import MASK, VOCABULARY, make_tiny


@st.composite
def configs(draw):
    block_length = draw(st.sampled_from([1, 2, 4, 8]))
    blocks = draw(st.integers(1, 3))
    rule = draw(st.sampled_from([{}, {}, {"threshold": 0.6}, {"factor": 1.5}]))
    return DecodeConfig(
        gen_length=block_length * blocks,
        block_length=block_length,
        steps=blocks * draw(st.integers(1, 10)),
        cache=draw(st.sampled_from(["none", "prefix", "dual"])),
        temperature=draw(st.sampled_from([0.0, 0.8])),
        remasking=draw(st.sampled_from(["low_confidence", "random"])),
        seed=draw(st.integers(0, 5)),
        **rule,
    )


@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("run", OFFICIAL["runs"])
def test_tokens_are_the_official_ones_with_no_more_forwards(run, record, llada):
    config = official_config(run)
    for prompt, official in zip(OFFICIAL["prompts"], OFFICIAL["runs"][run]["results"], strict=True):
        result = generate(llada, torch.tensor(prompt).view(1, -1), config, record)
        assert result.tokens[0].tolist() == official["output_ids"]
        assert result.nfe <= official["forward_calls"]


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.5, 2.5])
def test_factor_writes_what_the_official_walk_writes_in_as_many_forwards(factor, llada):
    for prompt in OFFICIAL["prompts"]:
        ids = torch.tensor(prompt).view(1, -1)
        result = generate(llada, ids, DecodeConfig(32, 8, 32, factor=factor))
        tokens, forwards = slow_factor(llada, ids, 32, 8, factor)
        assert torch.equal(result.tokens, tokens)
        assert result.nfe == forwards


@settings(max_examples=60)
@given(st.sampled_from(FAMILIES), st.booleans(), configs(), st.integers(1, 9))
def test_every_run_keeps_the_rules_of_writing(family, shift, config, prompt_length):
    loaded, prompt = MODELS[family, shift], some_prompt(prompt_length)
    before = torch.cat([prompt, torch.full((1, config.gen_length), MASK)], 1)
    forwards = count_forwards(loaded)
    for index, step in enumerate(denoise(loaded, prompt, config, record=True)):
        start = prompt_length + step.block * config.block_length
        end = start + config.block_length
        assert (step.index, step.nfe, forwards.count) == (index, index + 1, index + 1)
        assert step.committed.numel() >= 1
        assert step.committed.tolist() == sorted(step.committed.tolist())
        assert start <= step.committed.min() <= step.committed.max() < end
        assert (before[0, step.committed] == MASK).all()
        assert (step.canvas[0, step.committed] != MASK).all()
        untouched = torch.ones(before.shape[1], dtype=torch.bool).index_fill(0, step.committed, False)
        assert torch.equal(step.canvas[0, untouched], before[0, untouched])
        assert not step.confidence[step.committed].isnan().any()
        assert step.confidence[:prompt_length].isnan().all()
        rows = step.rows[1] - step.rows[0]
        torch.testing.assert_close(step.column_mass.sum((1, 2)), torch.full((3,), 4.0 * rows))
        before = step.canvas
    forwards.remove()
    assert not (before[0, prompt_length:] == MASK).any()
    assert step.nfe <= config.gen_length


def count_forwards(loaded):
    class Forwards:
        count = 0

    def one_more(*_):
        Forwards.count += 1

    Forwards.remove = loaded.model.register_forward_pre_hook(one_more).remove
    return Forwards


@settings(max_examples=20)
@given(st.sampled_from(FAMILIES), st.booleans(), configs())
def test_recording_and_repeating_change_nothing(family, shift, config):
    loaded, prompt = MODELS[family, shift], some_prompt()
    first = generate(loaded, prompt, config)
    torch.manual_seed(123)
    again = generate(loaded, prompt, config, record=True)
    assert torch.equal(first.tokens, again.tokens)
    assert first.nfe == again.nfe
    assert first.steps[0].column_mass is None


def test_seeds_matter_with_a_temperature_and_only_then():
    prompt = some_prompt()

    def write(**options):
        return generate(LLAMA, prompt, DecodeConfig(16, 16, 16, **options)).tokens.tolist()

    assert write(temperature=2.0, seed=1) != write(temperature=2.0, seed=2)
    assert write(seed=1) == write(seed=2)


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_outside_the_generator_changes(family):
    loaded = MODELS[family, False]
    state = torch.get_rng_state()
    attention, hooks = loaded.model.config._attn_implementation, len(loaded.model._forward_hooks)
    config = DecodeConfig(8, 4, 8, cache="dual", temperature=1.0, remasking="random")
    steps = denoise(loaded, some_prompt(), config, record=True)
    for step in steps:
        assert not torch.is_inference_mode_enabled()
        for tensor in (step.canvas, step.committed, step.confidence, step.column_mass):
            assert not tensor.is_inference()
            assert tensor.device.type == "cpu"
        with torch.inference_mode():
            loaded.model(some_prompt())  # a forward of the consumer's own, in between
        if step.index == 3:
            break
    steps.close()
    assert torch.equal(torch.get_rng_state(), state)
    assert loaded.model.config._attn_implementation == attention
    assert loaded.model.config.is_causal is False
    assert len(loaded.model._forward_hooks) == hooks


def test_forwards_of_the_consumer_are_not_recorded():
    config = DecodeConfig(4, 4, 4)
    alone = [step.column_mass for step in denoise(LLAMA, some_prompt(), config, record=True)]
    disturbed = []
    for step in denoise(LLAMA, some_prompt(), config, record=True):
        disturbed.append(step.column_mass)
        with torch.inference_mode():
            LLAMA.model(some_prompt(9, seed=5))
    assert all(torch.equal(a, b) for a, b in zip(alone, disturbed, strict=True))


def test_steps_never_change_after_they_were_yielded():
    steps = generate(LLAMA, some_prompt(), DecodeConfig(8, 8, 8), record=True).steps
    masks = [(step.canvas == MASK).sum().item() for step in steps]
    assert masks == list(range(7, -1, -1))
    steps[0].canvas[0, 0] = 9
    assert steps[1].canvas[0, 0] != 9


def test_masks_in_the_prompt_stay():
    prompt = torch.tensor([[5, MASK, 7, MASK]])
    for cache in ("none", "prefix", "dual"):
        result = generate(LLAMA, prompt, DecodeConfig(8, 4, 8, cache=cache))
        assert torch.equal(result.tokens[:, :4], prompt)
        assert result.nfe == 8


def test_mask_as_the_best_token_neither_stops_nor_fails():
    loaded = make_tiny()
    prompt = some_prompt()
    with torch.inference_mode():
        hidden = loaded.model.model(torch.cat([prompt, torch.full((1, 8), MASK)], 1)).last_hidden_state
    loaded.model.lm_head.weight[MASK] = 10 * hidden[0, 6:].mean(0)
    with torch.inference_mode():
        assert (loaded.model.lm_head(hidden)[0, 6:].argmax(-1) == MASK).any()
    for rule in ({}, {"threshold": 0.9}, {"factor": 1.0}):
        result = generate(loaded, prompt, DecodeConfig(8, 4, 8, **rule))
        assert not (result.tokens == MASK).any()


def slow_dream(loaded, prompt, gen_length, block_length, steps):
    """Shifted logits without a cache, written out: position i is predicted by output i - 1, ranked by negative entropy."""
    canvas = torch.cat([prompt, torch.full((1, gen_length), MASK)], 1)
    for start in range(prompt.shape[1], canvas.shape[1], block_length):
        per_step = block_length // steps
        for _ in range(steps):
            with torch.inference_mode():
                logits = loaded.model(canvas).logits[0].double()
            scored = []
            for i in range(start, start + block_length):
                if canvas[0, i] == MASK:
                    p = logits[i - 1].softmax(-1)
                    choice = logits[i - 1].clone()
                    choice[MASK] = -torch.inf
                    scored.append(((p * p.log()).sum().item(), i, choice.argmax().item()))
            for _, i, token in sorted(scored, reverse=True)[:per_step]:
                canvas[0, i] = token
    return canvas


@pytest.mark.parametrize("steps", [2, 8])
def test_shifted_logits_against_a_slow_reference(dream, steps):
    loaded = dataclasses.replace(dream, spec=dataclasses.replace(dream.spec, mask_token_id=MASK))
    prompt = some_prompt(7)
    result = generate(loaded, prompt, DecodeConfig(16, 8, 2 * steps))
    assert torch.equal(result.tokens, slow_dream(loaded, prompt, 16, 8, steps))


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (torch.zeros(1, 0, dtype=torch.long), "prompt is empty"),
        (torch.zeros(2, 3, dtype=torch.long), r"shape \(1, P\)"),
        (torch.zeros(3, dtype=torch.long), r"shape \(1, P\)"),
        ([[1, 2]], r"shape \(1, P\).*list"),
        (torch.zeros(1, 3), "whole numbers"),
        (torch.tensor([[5, VOCABULARY]]), "between 0 and 63"),
        (torch.tensor([[-1]]), "between 0 and 63"),
        (torch.ones(1, 250, dtype=torch.long), "use a gen_length up to 6"),
    ],
)
def test_prompts_that_do_not_fit_are_refused_at_the_call(prompt, message):
    with pytest.raises(ValueError, match=message):
        denoise(LLAMA, prompt, DecodeConfig(8, 8, 8))


def test_two_threads_on_one_model():
    config = DecodeConfig(16, 8, 16, cache="dual")
    expected = generate(LLAMA, some_prompt(), config).tokens
    found = {}

    def write(record):
        found[record] = [generate(LLAMA, some_prompt(), config, record) for _ in range(3)]

    threads = [threading.Thread(target=write, args=(record,)) for record in (False, True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for record in (False, True):
        assert all(torch.equal(result.tokens, expected) for result in found[record])
        assert all((step.column_mass is not None) == record for result in found[record] for step in result.steps)
