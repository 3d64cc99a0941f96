"""The sparse cache: Sparse-dLLM's official runs exactly, and what must hold for every policy, model and setting."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sinkprune.decoding import DecodeConfig, denoise, generate
from sinkprune.decoding.eviction import POLICIES
from tests.decoding.samples import FAMILIES, LLAMA, MODELS, kept_of_blocks, some_prompt
from tests.decoding.test_denoising import count_forwards
from tests.pruning.structured_twins import some_ids, uneven_twins
from tests.tiny_models import FIXTURES, MASK

OFFICIAL = json.loads((FIXTURES / "decoding" / "sparse_dllm_llada.json").read_text())


def result_of(run: dict, ties: str) -> dict:
    return run["official"] if ties == "official" or isinstance(run["stable"], str) else run["stable"]


def config_of(setting: dict) -> DecodeConfig:
    return DecodeConfig(
        gen_length=setting["gen_length"],
        block_length=setting["block_length"],
        steps=setting["steps"],
        cache="sparse",
        retention=setting["keep"],
        kernel=setting["kernel"] or 1,
        delay=1,
        keep="official",
    )


@pytest.mark.parametrize("number", range(len(OFFICIAL["runs"])))
def test_runs_are_the_official_ones_with_stable_ties(number, llada):
    run = OFFICIAL["runs"][number]
    expected, config = result_of(run, "stable"), config_of(run["setting"])
    result = generate(llada, torch.tensor([OFFICIAL["prompts"][run["prompt"]]]), config)
    assert result.tokens[0].tolist() == expected["output"]
    assert result.nfe == expected["forwards"]
    assert [step.rows[1] - step.rows[0] for step in result.steps] == expected["rows"]
    written = [[[p, step.canvas[0, p].item()] for p in step.committed.tolist()] for step in result.steps]
    assert written == [sorted(entries) for entries in expected["written"]]
    assert kept_of_blocks(result.steps) == [block["kept"] for block in expected["blocks"]]


@pytest.mark.parametrize("number", range(len(OFFICIAL["runs"])))
def test_the_first_block_keeps_what_official_code_keeps_but_for_ties(number, llada):
    run = OFFICIAL["runs"][number]
    config = config_of(run["setting"])
    result = generate(llada, torch.tensor([OFFICIAL["prompts"][run["prompt"]]]), config)
    official = run["official"]["blocks"][0]
    for ours, theirs, tied in zip(
        kept_of_blocks(result.steps)[0], official["kept"], official["tied_at_cut"], strict=True
    ):
        assert set(ours) - set(tied) == set(theirs) - set(tied)
        assert len(ours) == len(theirs)


def test_scores_are_the_official_ones(llada, monkeypatch):
    """The pooled scores that official top-k saw, of the first block (later blocks follow other tokens where ties differ)."""
    from sinkprune.decoding import eviction

    seen = []
    original = eviction.columns_kept
    monkeypatch.setattr(eviction, "columns_kept", lambda scores, *rest: seen.append(scores) or original(scores, *rest))
    recorded = np.load(FIXTURES / "decoding" / "tiny_llada_importance.npz")
    numbers = {(8, 3, 0.5): 0, (8, 3, 1.0): 6, (16, 3, 0.5): 2, (16, None, 0.5): 4}
    for run in OFFICIAL["runs"]:
        setting = run["setting"]
        number = numbers[setting["block_length"], setting["kernel"], setting["keep"]]
        seen.clear()
        generate(llada, torch.tensor([OFFICIAL["prompts"][run["prompt"]]]), config_of(setting))
        expected = torch.from_numpy(recorded[f"s{number}_p{run['prompt']}"])
        torch.testing.assert_close(seen[0], expected[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("keep", POLICIES)
@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_keeping_everything_is_the_dual_cache_bit_for_bit(family, shift, keep):
    loaded, prompt = MODELS[family, shift], some_prompt()
    for rule in ({}, {"threshold": 0.6}, {"cfg_scale": 0.5}):
        options = {"gen_length": 16, "block_length": 8, "steps": 16} | rule
        dual = generate(loaded, prompt, DecodeConfig(**options, cache="dual"), record=True)
        sparse = generate(
            loaded, prompt, DecodeConfig(**options, cache="sparse", retention=1.0, keep=keep), record=True
        )
        assert (len(dual.steps), dual.nfe) == (len(sparse.steps), sparse.nfe)
        for ours, theirs in zip(sparse.steps, dual.steps, strict=True):
            assert torch.equal(ours.canvas, theirs.canvas)
            assert torch.equal(ours.confidence.nan_to_num(2), theirs.confidence.nan_to_num(2))
            assert torch.equal(ours.column_mass, theirs.column_mass)
            assert (ours.kv_entries, ours.kv_bytes, ours.rows) == (theirs.kv_entries, theirs.kv_bytes, theirs.rows)
            assert ours.kept.all()
            assert theirs.kept is None


@st.composite
def sparse_configs(draw):
    block_length = draw(st.sampled_from([1, 2, 4, 8]))
    blocks = draw(st.integers(1, 3))
    rule = draw(st.sampled_from([{}, {"threshold": 0.6}, {"factor": 1.5}, {"remasking": "random", "temperature": 0.8}]))
    return DecodeConfig(
        gen_length=block_length * blocks,
        block_length=block_length,
        steps=blocks * draw(st.integers(1, 10)),
        cache="sparse",
        retention=draw(st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.9])),
        kernel=draw(st.sampled_from([1, 3, 5])),
        delay=draw(st.integers(0, 3)),
        keep=draw(st.sampled_from(POLICIES)),
        seed=draw(st.integers(0, 3)),
        **rule,
    )


@settings(max_examples=60)
@given(st.sampled_from(FAMILIES), st.booleans(), sparse_configs(), st.integers(1, 9))
def test_every_sparse_run_keeps_its_budget_and_its_block(family, shift, config, prompt_length):
    loaded, prompt = MODELS[family, shift], some_prompt(prompt_length)
    length = prompt_length + config.gen_length
    budget = int(config.retention * (length - config.block_length))
    forwards = count_forwards(loaded)
    step_in_block, block, kept = 0, 0, None
    for step in denoise(loaded, prompt, config, record=True):
        step_in_block, block = (0, step.block) if step.block != block else (step_in_block, block)
        start = prompt_length + step.block * config.block_length
        inside = slice(start, start + config.block_length)
        if step_in_block <= config.delay:
            assert step.rows == (0, length)
            assert step.kept.all()
            kept = None
        else:
            assert step.rows == (start, start + config.block_length)
            assert step.kept[:, inside].all()
            assert step.kept.sum(1).tolist() == [budget + config.block_length] * 3
            assert kept is None or torch.equal(kept, step.kept)  # chosen once in each block
            kept = step.kept
        assert step.kv_entries == step.kept.sum()
        assert step.kv_bytes == step.kv_entries * 2 * 2 * 8 * 4  # key and value, 2 heads of 8, float32
        assert not step.column_mass[~step.kept[:, None].expand_as(step.column_mass)].any()
        rows = step.rows[1] - step.rows[0]
        torch.testing.assert_close(step.column_mass.sum((1, 2)), torch.full((3,), 4.0 * rows))
        assert not step.kept.is_inference()
        step_in_block += 1
    forwards.remove()
    assert step.nfe == forwards.count
    assert not (step.canvas[0, prompt_length:] == MASK).any()


def test_policies_choose_differently_and_repeat_themselves():
    def chosen(**options):
        config = DecodeConfig(16, 8, 16, cache="sparse", retention=0.25, **options)
        return kept_of_blocks(generate(LLAMA, some_prompt(20), config).steps)

    found = {keep: chosen(keep=keep) for keep in POLICIES}
    assert found == {keep: chosen(keep=keep) for keep in POLICIES}
    assert len({str(kept) for kept in found.values()}) == len(POLICIES)
    assert chosen(keep="random", seed=1) != found["random"]
    assert chosen(kernel=5) != found["attention"]


def test_sinks_are_kept_first_and_dropped_first():
    """The leading columns of the full forward's mass, outside the block; a budget of four holds the sinks alone."""
    prompt = some_prompt(20)
    full = next(denoise(LLAMA, prompt, DecodeConfig(16, 8, 16), record=True)).column_mass.sum(1)  # (L, N)
    full[:, 20:28] = -1  # the first block
    leaders = [sorted(mass.topk(4).indices.tolist()) for mass in full]
    for keep, retention in (("sinks", 4 / 28), ("no-sinks", 24 / 28)):
        config = DecodeConfig(16, 8, 16, cache="sparse", retention=retention, keep=keep)
        kept = kept_of_blocks(generate(LLAMA, prompt, config).steps)[0]
        if keep == "sinks":
            assert kept == leaders
        else:
            assert all(not set(columns) & set(sinks) for columns, sinks in zip(kept, leaders, strict=True))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.parametrize("keep", POLICIES)
def test_uneven_widths_keep_as_many_columns_in_each_layer(family, shift, keep):
    """A cut model and its zeroed twin score keys by different heads; the cut one must run, and agree where nothing is dropped."""
    smaller, zeroed = uneven_twins(family, shift_logits=shift)
    options = {"gen_length": 12, "block_length": 4, "steps": 12, "cache": "sparse", "keep": keep}
    ours, theirs = (
        generate(twin, some_ids(1, 6), DecodeConfig(**options, retention=1.0)) for twin in (smaller, zeroed)
    )
    assert torch.equal(ours.tokens, theirs.tokens)
    step = generate(smaller, some_ids(1, 6), DecodeConfig(**options, retention=0.5), record=True).steps[1]
    assert step.kept.sum(1).tolist() == [7 + 4] * 3
    heads = [len(entry["kv_heads"]) for entry in smaller.model.config.layer_widths]
    assert step.kv_bytes == sum(heads) * 11 * 2 * 8 * 4


@pytest.mark.parametrize("delay", [0, 1, 2])
def test_with_shifted_logits_a_block_begins_with_its_first_token_alone(delay):
    """The official order: step 0 fills the first token, with delay 1 the next full forward chooses what stays."""
    config = DecodeConfig(16, 8, 8, cache="sparse", delay=delay)
    steps = generate(MODELS["qwen2", True], some_prompt(), config).steps
    for block in (0, 1):
        mine = [step for step in steps if step.block == block]
        assert mine[0].committed.tolist() == [6 + 8 * block]
        assert [step.rows == (0, 22) for step in mine] == [number <= delay for number in range(len(mine))]


def test_the_random_policy_leaves_random_writing_alone():
    """Draws for the commit come from another generator than draws for the cache."""
    options = {"gen_length": 16, "block_length": 8, "steps": 16, "temperature": 1.0, "remasking": "random"}
    dual = generate(LLAMA, some_prompt(), DecodeConfig(**options, cache="dual"))
    sparse = generate(LLAMA, some_prompt(), DecodeConfig(**options, cache="sparse", keep="random", retention=1.0))
    assert torch.equal(dual.tokens, sparse.tokens)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"retention": 1.5}, "from 0 to 1"),
        ({"retention": float("nan")}, "from 0 to 1"),
        ({"kernel": 2}, "odd whole number"),
        ({"kernel": 0}, "odd whole number"),
        ({"kernel": 65}, "odd whole number"),
        ({"kernel": 3.0}, "odd whole number"),
        ({"delay": -1}, "whole number of forwards"),
        ({"delay": 65}, "whole number of forwards"),
        ({"delay": 0.5}, "whole number of forwards"),
        ({"keep": "everything"}, "attention, official, sinks, no-sinks, random"),
        ({"cache": "dual", "retention": 0.25}, "retention is a setting of the sparse cache"),
        ({"cache": "none", "keep": "official"}, "keep is a setting of the sparse cache"),
        ({"cache": "prefix", "delay": 1}, "delay is a setting of the sparse cache"),
        ({"cache": "none", "kernel": 3}, "kernel is a setting of the sparse cache"),
    ],
)
def test_settings_that_do_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        DecodeConfig(**{"cache": "sparse"} | arguments)
