"""What a run fills in: blanks inside a text, and the rest of a run after a token was touched; and what steps carry on request."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sinkprune.decoding import DecodeConfig, autoregress, denoise, generate, resume, resume_autoregress
from sinkprune.sinks import record_attention
from tests.decoding.samples import FAMILIES, LLAMA, MODELS, some_prompt, without_end
from tests.pruning.structured_twins import some_ids, uneven_twins
from tests.tiny_models import MASK

CACHES = ("none", "prefix", "dual", "sparse")
RULES = ({}, {"threshold": 0.6}, {"factor": 1.5}, {"temperature": 0.8, "remasking": "random"}, {"cfg_scale": 0.5})
CONFIG = DecodeConfig(8, 4, 8)


def with_blanks(length, blanks):
    return some_prompt(length).index_fill(1, torch.tensor(sorted(blanks)), MASK)


@settings(max_examples=50)
@given(
    st.sampled_from(FAMILIES),
    st.booleans(),
    st.sampled_from(CACHES),
    st.sampled_from(RULES),
    st.sets(st.integers(0, 15), min_size=1, max_size=12),
)
def test_all_blanks_are_filled_and_nothing_else_is_touched(family, shift, cache, rule, blanks):
    text, config = with_blanks(16, blanks), DecodeConfig(4, 4, 2, cache=cache, **rule)
    before, order = text, sorted(blanks)
    for step in denoise(MODELS[family, shift], text, config, record=True, blanks=True):
        mine = order[4 * step.block : 4 * step.block + 4]
        assert set(step.committed.tolist()) <= set(mine)
        assert step.rows == (0, 16) or cache != "none"
        assert step.rows[0] <= mine[0] <= mine[-1] < step.rows[1]
        untouched = torch.ones(16, dtype=torch.bool).index_fill(0, step.committed, False)
        assert torch.equal(step.canvas[0, untouched], before[0, untouched])
        before = step.canvas
    assert not (before == MASK).any()
    assert torch.equal(text[text != MASK], before[text != MASK])


@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize("shift", [False, True])
def test_blanks_at_the_end_are_an_answer(shift, cache):
    loaded, prompt = MODELS["qwen3", shift], some_prompt()
    for rule in RULES:
        config = DecodeConfig(16, 8, 8, cache=cache, **rule)
        answer = generate(loaded, prompt, config)
        filled = generate(loaded, torch.cat([prompt, torch.full((1, 16), MASK)], 1), config, blanks=True)
        assert torch.equal(answer.tokens, filled.tokens)
        assert answer.nfe == filled.nfe


@pytest.mark.parametrize("shift", [False, True])
def test_blanks_against_a_slow_reference(shift):
    """One token a step, the surest first, by whole forwards; with shifted logits by output i - 1, the first position by output 0."""
    loaded, text = MODELS["llama", shift], with_blanks(12, {0, 3, 4, 8})
    canvas, blanks = text.clone(), [0, 3, 4, 8]
    while (canvas == MASK).any():
        with torch.inference_mode():
            logits = loaded.model(canvas).logits[0].clone()
        best = []
        for position in blanks:
            if canvas[0, position] == MASK:
                row = logits[max(0, position - 1) if shift else position].clone()
                probabilities = row.softmax(-1)
                row[MASK] = -torch.inf
                token = row.argmax().item()
                entropy = (probabilities.double() * probabilities.double().log()).sum().item()
                best.append((entropy if shift else probabilities[token].item(), position, token))
        _, position, token = max(best)
        canvas[0, position] = token
    assert torch.equal(generate(loaded, text, DecodeConfig(4, 4, 4), blanks=True).tokens, canvas)


def test_a_text_without_a_blank_is_refused():
    with pytest.raises(ValueError, match="leave a blank"):
        denoise(LLAMA, some_prompt(), CONFIG, blanks=True)


@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.parametrize("rule", [{}, {"steps": 6}, {"threshold": 0.6}, {"factor": 1.5}, {"cfg_scale": 0.5}])
def test_without_an_edit_the_rest_of_the_run_comes_out_again(shift, rule):
    loaded, prompt = MODELS["qwen2", shift], some_prompt()
    config = DecodeConfig(**{"gen_length": 16, "block_length": 8, "steps": 16} | rule)
    steps = generate(loaded, prompt, config, record=True).steps
    for number in range(len(steps) - 1):
        rest = list(resume(loaded, prompt, config, steps, number, record=True))
        assert len(rest) == len(steps) - number - 1
        for again, once in zip(rest, steps[number + 1 :], strict=True):
            assert (again.index, again.block, again.nfe, again.rows) == (once.index, once.block, once.nfe, once.rows)
            assert torch.equal(again.canvas, once.canvas)
            assert torch.equal(again.column_mass, once.column_mass)
        assert rest[0].seconds > steps[number].seconds


@settings(max_examples=50)
@given(st.data(), st.sampled_from(FAMILIES), st.booleans(), st.sampled_from(CACHES), st.sampled_from(RULES))
def test_edits_are_kept_or_filled_in_again(data, family, shift, cache, rule):
    loaded, prompt, config = MODELS[family, shift], some_prompt(), DecodeConfig(8, 4, 4, cache=cache, **rule)
    steps = generate(loaded, prompt, config).steps
    number = data.draw(st.integers(0, len(steps) - 1))
    edits = data.draw(st.dictionaries(st.integers(6, 13), st.sampled_from([MASK, 7, 9]), min_size=1, max_size=5))
    canvas = steps[number].canvas.clone()
    for position, token in edits.items():
        canvas[0, position] = token
    if not (canvas == MASK).any():
        with pytest.raises(ValueError, match="nothing is left to write"):
            resume(loaded, prompt, config, steps, number, edits)
        return
    rest = list(resume(loaded, prompt, config, steps, number, edits))
    again = list(resume(loaded, prompt, config, steps, number, edits))
    assert [step.canvas.tolist() for step in rest] == [step.canvas.tolist() for step in again]
    assert [step.index for step in rest] == list(range(number + 1, number + 1 + len(rest)))
    assert not (rest[-1].canvas == MASK).any()
    standing = canvas != MASK
    assert torch.equal(rest[-1].canvas[standing], canvas[standing])
    assert sorted(torch.cat([step.committed for step in rest]).tolist()) == (~standing[0]).nonzero()[:, 0].tolist()


def test_a_blank_can_be_touched_too():
    text = with_blanks(12, {2, 3, 8})
    steps = generate(LLAMA, text, CONFIG, blanks=True).steps
    rest = list(resume(LLAMA, text, CONFIG, steps, 2, {3: 9, 8: MASK}, blanks=True))
    assert [step.committed.tolist() for step in rest] == [[8]]
    assert rest[0].canvas[0, 3] == 9


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"step": 8}, "between 0 and 7"),
        ({"step": -1}, "between 0 and 7"),
        ({"edits": {2: 9}}, "position 2 is not one that this run writes"),
        ({"edits": {14: 9}}, "position 14 is not one"),
        ({"edits": {7: 64}}, "token ids from 0 to 63"),
        ({"edits": {7: -1}}, "token ids from 0 to 63"),
        ({"step": 7, "edits": {7: 9}}, "nothing is left to write"),
        ({"prompt_ids": some_prompt(6, seed=3)}, "another prompt or length"),
        ({"prompt_ids": some_prompt(7)}, "another prompt or length"),
    ],
)
def test_what_cannot_be_resumed_is_refused(changed, message):
    steps = generate(LLAMA, some_prompt(), CONFIG).steps
    asked = {"prompt_ids": some_prompt(), "config": CONFIG, "steps": steps, "step": 3, "edits": {7: 9}}
    with pytest.raises(ValueError, match=message):
        resume(LLAMA, **asked | changed)


def test_the_autoregressive_lane_goes_on_from_a_step():
    loaded = without_end(LLAMA)
    steps = list(autoregress(loaded, some_prompt(), 8, record=True, value_norms=True))
    for number in range(7):
        rest = list(resume_autoregress(loaded, some_prompt(), 8, steps, number, record=True, value_norms=True))
        for again, once in zip(rest, steps[number + 1 :], strict=True):
            assert (again.index, again.nfe, again.rows) == (once.index, once.nfe, once.rows)
            assert torch.equal(again.canvas, once.canvas)
            torch.testing.assert_close(again.column_mass, once.column_mass, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(again.value_norms, once.value_norms, atol=1e-4, rtol=1e-4, equal_nan=True)
    other = 9 if steps[2].canvas[0, 7] != 9 else 10
    edited = list(resume_autoregress(loaded, some_prompt(), 8, steps, 2, {7: other}))
    assert len(edited) == 5
    assert edited[-1].canvas[0, 7] == other
    assert torch.equal(edited[-1].canvas[0, [6, 8]], steps[2].canvas[0, [6, 8]])


@pytest.mark.parametrize(
    ("step", "edits", "message"),
    [
        (7, {}, "nothing is left"),
        (2, {9: 5}, "position 9 is not one that is written"),
        (2, {3: 5}, "position 3 is not one"),
        (2, {7: MASK}, "cannot fill a MASK in"),
        (2, {7: 99}, "token ids from 0 to 63"),
        (8, {}, "between 0 and 7"),
    ],
)
def test_what_the_autoregressive_lane_cannot_resume(step, edits, message):
    loaded = without_end(LLAMA)
    steps = list(autoregress(loaded, some_prompt(), 8))
    with pytest.raises(ValueError, match=message):
        resume_autoregress(loaded, some_prompt(), 8, steps, step, edits)


@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize("shift", [False, True])
def test_candidates_are_the_likeliest_tokens_of_masked_positions(shift, cache):
    loaded, config = MODELS["llama", shift], DecodeConfig(8, 4, 8, cache=cache)
    plain = generate(loaded, some_prompt(), config)
    assert plain.steps[0].candidates is None
    before = torch.cat([some_prompt(), torch.full((1, 8), MASK)], 1)
    for step in generate(loaded, some_prompt(), config, candidates=True).steps:
        found = step.candidates
        assert torch.equal(step.canvas, plain.steps[step.index].canvas)
        assert (before[0, found.positions] == MASK).all()
        assert found.tokens.shape == found.probabilities.shape == (len(found.positions), 5)
        assert MASK not in found.tokens
        assert (found.probabilities.diff(dim=1) <= 0).all()
        assert torch.equal(found.probabilities[:, 0], step.confidence[found.positions])
        at = (found.positions == step.committed[0]).nonzero()[0, 0]
        assert found.tokens[at, 0] == step.canvas[0, step.committed[0]]
        assert not found.probabilities.is_inference()
        if cache == "none":
            with torch.inference_mode():
                logits = loaded.model(before).logits[0, found.positions - int(shift)]
            probabilities = logits.softmax(-1)
            probabilities[:, MASK] = 0
            torch.testing.assert_close(found.probabilities, probabilities.topk(5).values, atol=1e-5, rtol=1e-4)
        before = step.canvas


def norms_by_hooks(loaded, ids):
    """(L, N) mean over KV heads of the length of what v_proj gives."""
    found = []

    def keep(_module, _inputs, output):
        found.append(output[0].view(ids.shape[1], -1, 8).norm(dim=-1).mean(-1))

    handles = [layer.self_attn.v_proj.register_forward_hook(keep) for layer in loaded.model.model.layers]
    with torch.inference_mode():
        loaded.model(ids)
    for handle in handles:
        handle.remove()
    return torch.stack(found)


@pytest.mark.parametrize("family", FAMILIES)
def test_value_norms_are_the_lengths_of_value_vectors(family):
    loaded, ids = MODELS[family, False], some_prompt(9)
    with torch.inference_mode(), record_attention(loaded, value_norms=True) as recording:
        loaded.model(ids)
    torch.testing.assert_close(recording.value_norms[:, 0], norms_by_hooks(loaded, ids), atol=1e-5, rtol=1e-5)
    smaller, _ = uneven_twins(family)
    with torch.inference_mode(), record_attention(smaller, value_norms=True) as recording:
        smaller.model(some_ids(1, 9))
    expected = norms_by_hooks(smaller, some_ids(1, 9))
    torch.testing.assert_close(recording.value_norms[:, 0], expected, atol=1e-5, rtol=1e-5)


def test_value_norms_are_refused_where_nobody_asked():
    with torch.inference_mode(), record_attention(LLAMA) as recording:
        LLAMA.model(some_prompt())
    with pytest.raises(ValueError, match="value_norms=True"):
        _ = recording.value_norms


def test_steps_carry_value_norms_beside_column_mass():
    assert generate(LLAMA, some_prompt(), CONFIG, record=True).steps[0].value_norms is None
    canvas = torch.cat([some_prompt(), torch.full((1, 8), MASK)], 1)
    for cache in CACHES:
        steps = generate(LLAMA, some_prompt(), DecodeConfig(8, 4, 8, cache=cache), value_norms=True).steps
        torch.testing.assert_close(steps[0].value_norms, norms_by_hooks(LLAMA, canvas), atol=1e-4, rtol=1e-4)
        for step in steps:
            held = torch.ones(3, 14, dtype=torch.bool) if step.kept is None else step.kept
            assert torch.equal(step.value_norms.isnan(), ~held)
            assert step.column_mass is not None
            assert not step.value_norms.is_inference()


def test_keys_and_bytes_are_counted_in_every_mode():
    for cache, scale in (("none", 0.0), ("dual", 0.0), ("none", 1.0)):
        forwards = 2 if scale else 1
        for step in denoise(LLAMA, some_prompt(), DecodeConfig(8, 4, 8, cache=cache, cfg_scale=scale)):
            assert step.kv_entries == 3 * 14 * forwards
            assert step.kv_bytes == step.kv_entries * 2 * 2 * 8 * 4
    for step in autoregress(without_end(LLAMA), some_prompt(), 4):
        assert step.kv_entries == 3 * step.rows[1]
        assert step.kv_bytes == step.kv_entries * 2 * 2 * 8 * 4
