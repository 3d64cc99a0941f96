"""Recording attention: golden masses, all attention shapes against transformers' eager attention, and that nothing is left behind."""

import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sinkprune.models import attention, causal_view
from sinkprune.sinks import attention_map, record_attention, reference_scores, total_mass
from tests.tiny_models import FIXTURES, VOCABULARY, make_tiny

FAMILIES = ("llama", "qwen2", "qwen3")
MODELS = {family: make_tiny(family) for family in FAMILIES}


def some_ids(batch, length, seed=0):
    return torch.randint(4, VOCABULARY, (batch, length), generator=torch.Generator().manual_seed(seed))


def forward(loaded, ids, **kwargs):
    with torch.inference_mode(), record_attention(loaded) as recording:
        logits = loaded.model(ids, **kwargs).logits
    return logits, recording.column_mass


def eager_attentions(family, ids, **kwargs):
    """(L, B, H, Q, K) of a model of its own with the same weights."""
    twin = make_tiny(family)
    twin.model.set_attn_implementation("eager")
    with torch.inference_mode():
        output = twin.model(ids, output_attentions=True, **kwargs)
    return output.logits, torch.stack(output.attentions)


@pytest.mark.parametrize("layout", ["llada", "dream"])
def test_masses_and_scores_are_the_official_ones(layout, request):
    golden = np.load(FIXTURES / "models" / f"{layout}_forward.npz")
    ids = torch.from_numpy(golden["input_ids"])
    logits, mass = forward(request.getfixturevalue(layout), ids)
    torch.testing.assert_close(logits, torch.from_numpy(golden["logits"]), atol=1e-4, rtol=0)
    torch.testing.assert_close(mass.sum(2), torch.from_numpy(golden["col_mass_per_layer"]), atol=1e-4, rtol=0)
    scores = reference_scores(total_mass(mass))
    torch.testing.assert_close(scores, torch.from_numpy(golden["sink_mask_default"]), atol=1e-5, rtol=0)


@settings(max_examples=25)
@given(st.sampled_from(FAMILIES), st.integers(1, 3), st.integers(1, 20), st.integers(0, 9))
def test_mass_is_complete_and_logits_are_unchanged(family, batch, length, seed):
    loaded, ids = MODELS[family], some_ids(batch, length, seed)
    with torch.inference_mode():
        unwatched = loaded.model(ids).logits
    logits, mass = forward(loaded, ids)
    assert mass.shape == (3, batch, 4, length)
    assert mass.dtype == torch.float32
    torch.testing.assert_close(mass.sum((2, 3)), torch.full((3, batch), 4.0 * length))
    assert torch.equal(logits, unwatched)


def test_more_rows_than_the_bound_attend_by_sdpa_and_give_the_same(monkeypatch):
    loaded, ids = MODELS["llama"], some_ids(1, 9)
    explicit, mass = forward(loaded, ids)
    monkeypatch.setattr(attention, "MOST_EXPLICIT_ROWS", 8)
    logits, same_mass = forward(loaded, ids)
    with torch.inference_mode():
        assert torch.equal(logits, loaded.model(ids).logits)
    torch.testing.assert_close(logits, explicit, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(same_mass, mass, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("padding", ["none", "left", "right"])
@pytest.mark.parametrize("explicit", [False, True], ids=["beside-sdpa", "explicit"])
def test_mass_equals_eager_attention(family, causal, padding, explicit, monkeypatch):
    monkeypatch.setattr(attention, "is_explicit", lambda query: explicit)
    ids = some_ids(2, 9)
    real = torch.ones_like(ids)
    if padding != "none":
        real[0, slice(0, 3) if padding == "left" else slice(6, 9)] = 0
    kwargs = {"attention_mask": real, "is_causal": causal}
    with torch.inference_mode():
        unwatched = MODELS[family].model(ids, **kwargs).logits
    logits, mass = forward(MODELS[family], ids, **kwargs)
    eager_logits, attentions = eager_attentions(family, ids, **kwargs)
    rows = real[None, :, None, :, None].float()
    torch.testing.assert_close(mass, (attentions * rows).sum(3), atol=1e-4, rtol=1e-4)
    assert torch.equal(logits, unwatched)
    torch.testing.assert_close(logits[real.bool()], eager_logits[real.bool()], atol=1e-4, rtol=1e-4)
    assert mass.movedim(1, 0)[0].movedim(-1, 0)[~real[0].bool()].eq(0).all()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("watched", [False, True])
def test_padding_changes_nothing(family, side, watched):
    loaded, ids, pad = MODELS[family], some_ids(1, 7), 4
    filler = torch.zeros(1, pad, dtype=torch.long)
    ones, zeros = torch.ones(1, 7, dtype=torch.long), torch.zeros(1, pad, dtype=torch.long)
    left = side == "left"
    padded = torch.cat([filler, ids] if left else [ids, filler], 1)
    mask = torch.cat([zeros, ones] if left else [ones, zeros], 1)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    where = mask[0].bool()
    plain_logits, plain_mass = forward(loaded, ids)
    if watched:
        logits, mass = forward(loaded, padded, attention_mask=mask, position_ids=positions)
        torch.testing.assert_close(mass[..., where], plain_mass, atol=1e-4, rtol=1e-4)
        assert mass[..., ~where].eq(0).all()
    else:
        with torch.inference_mode():
            logits = loaded.model(padded, attention_mask=mask, position_ids=positions).logits
    torch.testing.assert_close(logits[:, where], plain_logits, atol=1e-4, rtol=1e-4)


def test_causal_rows_with_a_cache_add_up_to_the_whole():
    view, ids = causal_view(MODELS["llama"]), some_ids(1, 10)
    _, whole = forward(view, ids)
    total, cache = torch.zeros(3, 1, 4, 10), None
    for part in (slice(0, 4), slice(4, 5), slice(5, 10)):
        with torch.inference_mode(), record_attention(view) as recording:
            cache = view.model(ids[:, part], past_key_values=cache, use_cache=True).past_key_values
        rows = recording.column_mass
        total[..., : rows.shape[-1]] += rows
    torch.testing.assert_close(total, whole, atol=1e-4, rtol=1e-4)


def test_bfloat16_masses_are_summed_in_float32():
    loaded = make_tiny()
    ids = some_ids(1, 40)
    loaded.model.bfloat16()
    with torch.inference_mode():
        unwatched = loaded.model(ids).logits
    logits, mass = forward(loaded, ids)
    assert torch.equal(logits, unwatched)
    assert mass.dtype == torch.float32
    torch.testing.assert_close(mass.sum((2, 3)), torch.full((3, 1), 160.0))


def test_the_latest_forward_counts():
    loaded = MODELS["llama"]
    with torch.inference_mode(), record_attention(loaded) as recording:
        with pytest.raises(ValueError, match="no forward was recorded"):
            _ = recording.column_mass
        loaded.model(some_ids(1, 5))
        first = recording.column_mass
        loaded.model(some_ids(2, 8))
    assert first.shape == (3, 1, 4, 5)
    assert recording.column_mass.shape == (3, 2, 4, 8)


def test_a_forward_that_fails_half_way_does_not_mix_with_others():
    loaded = make_tiny()

    def fail(*_):
        raise RuntimeError("half way")

    with torch.inference_mode(), record_attention(loaded) as recording:
        loaded.model(some_ids(1, 5))
        hook = loaded.model.model.layers[1].register_forward_pre_hook(fail)
        with pytest.raises(RuntimeError, match="half way"):
            loaded.model(some_ids(1, 6))
        assert recording.column_mass.shape == (1, 1, 4, 6)
        hook.remove()
        loaded.model(some_ids(1, 7))
    assert recording.column_mass.shape == (3, 1, 4, 7)


def test_recording_is_for_one_model():
    one, other = MODELS["llama"], make_tiny(seed=1)
    with torch.inference_mode(), record_attention(one) as recording:
        one.model(some_ids(1, 5))
        other.model(some_ids(1, 9))
    assert recording.column_mass.shape[-1] == 5


def test_recordings_nest():
    loaded = MODELS["llama"]
    with torch.inference_mode(), record_attention(loaded) as outer:
        loaded.model(some_ids(1, 5))
        with record_attention(loaded) as inner:
            loaded.model(some_ids(1, 6))
        loaded.model(some_ids(1, 7))
    assert (outer.column_mass.shape[-1], inner.column_mass.shape[-1]) == (7, 6)


@pytest.mark.parametrize("implementation", ["sdpa", "eager", "sinkprune"])
def test_everything_is_as_before_even_after_an_error(implementation):
    loaded = make_tiny()
    loaded.model.set_attn_implementation(implementation)
    recordings = []

    def stop_while_recording():
        with record_attention(loaded) as recording:
            recordings.append(recording)
            forward(loaded, some_ids(1, 5))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        stop_while_recording()
    assert loaded.model.config._attn_implementation == implementation
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in loaded.model.modules())
    with torch.inference_mode():
        loaded.model(some_ids(1, 8))
    assert recordings[0].column_mass.shape[-1] == 5


def test_threads_do_not_see_each_other():
    """One thread records, one does not, one looks causally; all on one model object at the same time."""
    loaded = MODELS["llama"]
    lengths = (5, 7, 9)
    with torch.inference_mode():
        expected = {n: loaded.model(some_ids(1, n)).logits for n in lengths}
    causal_expected = forward(causal_view(loaded), some_ids(1, 6))[0]
    barrier, errors = threading.Barrier(4), []

    def run(work):
        try:
            barrier.wait()
            for _ in range(20):
                work()
        except Exception as error:
            errors.append(error)

    def recorded(n):
        logits, mass = forward(loaded, some_ids(1, n))
        assert mass.shape[-1] == n
        assert torch.equal(logits, expected[n])

    def unrecorded():
        with torch.inference_mode():
            assert torch.equal(loaded.model(some_ids(1, 9)).logits, expected[9])

    def causal():
        torch.testing.assert_close(forward(causal_view(loaded), some_ids(1, 6))[0], causal_expected)

    jobs = [lambda: recorded(5), lambda: recorded(7), unrecorded, causal]
    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert loaded.model.config.is_causal is False


@pytest.mark.parametrize("causal", [False, True])
def test_attention_map_is_the_eager_map(causal):
    loaded, ids = MODELS["qwen3"], some_ids(1, 8)
    _, attentions = eager_attentions("qwen3", ids, is_causal=causal)
    for layer, head, expected in (
        (1, 2, attentions[1, 0, 2]),
        (None, 3, attentions[:, 0, 3].mean(0)),
        (2, None, attentions[2, 0].mean(0)),
        (None, None, attentions[:, 0].mean((0, 1))),
    ):
        found = attention_map(loaded, ids, layer, head, causal)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(found.sum(1), torch.ones(8))
        assert not found.is_inference()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layer": 3}, "layer must lie between 0 and 2"),
        ({"head": -1}, "head must lie between 0 and 3"),
        ({"ids": torch.zeros(2, 4, dtype=torch.long)}, "shape"),
    ],
)
def test_attention_map_refuses_what_does_not_exist(arguments, message):
    with pytest.raises(ValueError, match=message):
        attention_map(MODELS["llama"], **{"ids": some_ids(1, 4)} | arguments)


def test_a_model_made_by_hand_is_recorded_in_a_process_that_loaded_none():
    program = """
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from sinkprune.models import LoadedModel, ModelSpec
from sinkprune.sinks import record_attention

config = LlamaConfig(vocab_size=9, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2)
loaded = LoadedModel(LlamaForCausalLM(config).eval(), None, ModelSpec("tiny", "llama", 3, 2))
with torch.inference_mode(), record_attention(loaded) as recording:
    loaded.model(torch.tensor([[4, 5, 6]]))
print(tuple(recording.column_mass.shape))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "(1, 1, 2, 3)", done.stderr
