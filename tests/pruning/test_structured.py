"""Structured cuts: scores and choice against a slow reference, the asked share, and the smaller model against the zeroed one."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_references import inputs_of, slow_token_weights
from structured_twins import some_ids, zeroed

from sinkprune.pruning import (
    ALLOCATIONS,
    METHODS,
    STRUCTURED,
    UNSTRUCTURED,
    CalibrationConfig,
    PruneConfig,
    prune_model,
)
from sinkprune.pruning.calibration import noised
from sinkprune.pruning.settings import layer_sparsity
from sinkprune.pruning.structured import CHANNEL_MULTIPLE, UnitScores, choose_units

BIASES = {"attention_bias": True, "mlp_bias": True}  # in every linear
architectures = st.sampled_from([("llama", {}), ("llama", BIASES), ("qwen2", {}), ("qwen3", {})])
seeds = st.integers(0, 2**20)
allocations = st.sampled_from(ALLOCATIONS)
CASES = [
    *(PruneConfig(method, share, allocation=a) for method in STRUCTURED for share in (0.3, 0.6) for a in ALLOCATIONS),
    PruneConfig("sink-structured", 0.3, sink_rule="paper"),
    PruneConfig("sink-structured", 0.3, sink_weight=False, allocation="global"),
]


def slow_norms(model, ids, versions, config):
    """name -> (in,) float64: Wanda's norm on clean text, sink-Wanda's sum of norms on noised text."""
    if config.method == "structured":
        seen = [inputs_of(model, sample) for sample in ids]
        return {name: sum(x[name].norm(dim=0) ** 2 for x in seen).sqrt() for name in seen[0]}
    total = {}
    for sample in versions:
        weights = (
            slow_token_weights(model, sample, config.sink_rule) if config.sink_weight else torch.ones(sample.shape)
        )
        for version, weight in zip(sample, weights, strict=True):
            for name, x in inputs_of(model, version).items():
                total[name] = total.get(name, 0) + (x * weight[:, None]).norm(dim=0)
    return total


def slow_choice(model, norms, share, allocation):
    """{layer: (removed KV heads, removed channels)} of a model with 2 KV heads and 48 channels in each layer."""
    heads, channels = {}, {}
    for layer, block in enumerate(model.model.layers):
        o, down = block.self_attn.o_proj.weight.double(), block.mlp.down_proj.weight.double()
        of_o = norms[f"model.layers.{layer}.self_attn.o_proj"] * o.square().sum(0).sqrt()
        of_down = norms[f"model.layers.{layer}.mlp.down_proj"] * down.square().sum(0).sqrt()
        score = {head: of_o[head * 16 : head * 16 + 16].sum() for head in (0, 1)}  # 2 query heads x 8 columns
        heads[layer] = [(score[h] / (sum(score.values()) / 2), layer, [h]) for h in sorted(score, key=score.get)]
        order = of_down.argsort().tolist()
        eights = [order[i : i + 8] for i in range(0, 48, 8)]
        channels[layer] = [(of_down[part].mean() / of_down.sort().values[23:25].mean(), layer, part) for part in eights]
    gone = {layer: (set(), set()) for layer in heads}
    for pool in [[layer] for layer in heads] if allocation == "uniform" else [list(heads)]:
        count = math.ceil(share / 2 * 2 * len(pool) - 0.5)  # heads at half the share, to the nearest, of two the fewer
        rest = share * len(pool) * (2 * 1536 + 48 * 96) - count * 1536
        worst_heads = sorted(step for layer in pool for step in heads[layer][:-1])[:count]
        worst = sorted(step for layer in pool for step in channels[layer][:-1])[: round(rest / 96 / 8)]
        for kind, steps in enumerate((worst_heads, worst)):
            for _, layer, units in steps:
                gone[layer][kind].update(units)
    return gone


@pytest.mark.parametrize("config", CASES, ids=lambda c: f"{c.method}-{c.sparsity}-{c.allocation}-{c.sink_rule}")
@torch.no_grad()
def test_what_goes_equals_the_slow_reference(make_model, make_ids, config):
    loaded, ids = make_model(num_hidden_layers=3), make_ids(samples=3)
    result = prune_model(loaded, config, CalibrationConfig(seed=3), ids)
    norms = slow_norms(loaded.model, ids, noised(ids, loaded.spec.mask_token_id, 3), config)
    for layer, (heads, channels) in slow_choice(loaded.model, norms, config.sparsity, config.allocation).items():
        masks = {name: result.masks[f"model.layers.{layer}.{name}"] for name in LAYER_LINEARS}
        for name, per_head in (("q", 16), ("k", 8), ("v", 8)):
            rows = [head * per_head + i for head in heads for i in range(per_head)]
            assert_lines_gone(masks[f"self_attn.{name}_proj"], rows)
        assert_lines_gone(masks["self_attn.o_proj"].T, [head * 16 + i for head in heads for i in range(16)])
        assert_lines_gone(masks["mlp.gate_proj"], channels)
        assert_lines_gone(masks["mlp.up_proj"], channels)
        assert_lines_gone(masks["mlp.down_proj"].T, channels)


LAYER_LINEARS = [f"self_attn.{name}_proj" for name in "qkvo"] + [f"mlp.{name}_proj" for name in ("gate", "up", "down")]


def assert_lines_gone(mask, lines):
    expected = torch.zeros_like(mask)
    expected[sorted(lines)] = True
    assert torch.equal(mask, expected)


def test_the_choices_make_a_difference(make_model, make_ids):
    """The reference could not tell statistics apart if all gave the same masks."""
    configs = [PruneConfig("structured", 0.3), PruneConfig("sink-structured", 0.3, sink_weight=False)]
    configs += [PruneConfig("sink-structured", 0.3, sink_rule=rule) for rule in ("reference", "paper")]
    configs += [PruneConfig("structured", 0.3, allocation="global")]
    loaded, ids = make_model(intermediate_size=400), make_ids(samples=3)
    removed = [prune_model(loaded, config, calibration_ids=ids).masks.values() for config in configs]
    removed = [torch.cat([mask.flatten() for mask in masks]) for masks in removed]
    for i, first in enumerate(removed):
        assert not any(torch.equal(first, second) for second in removed[:i])


@st.composite
def layers_of_scores(draw):
    heads, channels = draw(st.integers(1, 5)), draw(st.integers(1, 60))
    numbers = st.integers(0, 9).map(float)
    return [
        UnitScores(
            torch.tensor(draw(st.lists(numbers, min_size=heads, max_size=heads))),
            torch.tensor(draw(st.lists(numbers, min_size=channels, max_size=channels))),
        )
        for _ in range(draw(st.integers(1, 4)))
    ]


@settings(max_examples=150)
@given(layers_of_scores(), st.floats(0, 0.7), allocations, st.integers(1, 900), st.integers(1, 9))
def test_the_share_is_met_within_one_step_and_the_best_units_stay(scores, share, allocation, head_cost, channel_cost):
    kept = choose_units(scores, (head_cost, channel_cost), PruneConfig("structured", share, allocation=allocation))
    pools = [list(zip(scores, kept, strict=True))]
    for layer, stays in zip(scores, kept, strict=True):
        width = len(layer.channels)
        assert len(stays.heads) >= 1
        assert len(stays.channels) == width or len(stays.channels) % CHANNEL_MULTIPLE == 0 < len(stays.channels)
        for values, indices in ((layer.heads, stays.heads), (layer.channels, stays.channels)):
            assert indices.tolist() == sorted(set(indices.tolist()))
            gone = torch.ones(len(values), dtype=torch.bool).index_fill(0, indices, False)
            assert not gone.any() or values[gone].max() <= values[indices].min()
    if allocation == "uniform":
        pools = [[pair] for pair in pools[0]]
    for pool in pools:
        weights = sum(len(s.heads) * head_cost + len(s.channels) * channel_cost for s, _ in pool)
        stay = sum(len(k.heads) * head_cost + len(k.channels) * channel_cost for _, k in pool)
        most_heads = sum(len(s.heads) - 1 for s, _ in pool)
        most_channels = sum(max(len(s.channels) - CHANNEL_MULTIPLE, 0) for s, _ in pool)
        reachable = [  # what whole heads and any number of channels come to: the nearest to the asked share
            n * head_cost + min(max(share * weights - n * head_cost, 0), most_channels * channel_cost)
            for n in range(most_heads + 1)
        ]
        nearest = min(abs(gone - share * weights) for gone in reachable)
        assert abs(weights - stay - share * weights) <= nearest + CHANNEL_MULTIPLE * channel_cost + 1e-6


@settings(max_examples=25)
@given(st.sampled_from(STRUCTURED), allocations, architectures, st.floats(0, 0.7), seeds)
def test_the_smaller_model_computes_what_the_zeroed_one_does(make_model, method, allocation, architecture, share, seed):
    loaded = make_model(architecture[0], seed, **architecture[1])
    loaded.model.double()
    result = prune_model(
        loaded, PruneConfig(method, share, allocation=allocation), CalibrationConfig(seed=seed), some_ids(4, 12, seed)
    )
    ids = some_ids(2, 9, seed + 1)
    with torch.inference_mode():
        smaller, twin = result.loaded.model(ids).logits, zeroed(loaded, result).model(ids).logits
    torch.testing.assert_close(smaller, twin, atol=1e-5, rtol=1e-5)
    removed = weights_of(loaded) - weights_of(result.loaded)
    assert removed == sum(mask.sum().item() for mask in result.masks.values())
    assert result.sparsity == pytest.approx(removed / weights_of(loaded))
    assert abs(result.sparsity - share) * weights_of(loaded) <= 2 * CHANNEL_MULTIPLE * 96
    assert [report.name for report in result.reports] == list(result.masks)
    assert all(result.masks[report.name].float().mean().item() == report.sparsity for report in result.reports)


def weights_of(loaded):
    linears = [loaded.model.get_submodule(f"model.layers.{i}.{n}") for i in (0, 1) for n in LAYER_LINEARS]
    assert all(linear.weight.shape == (linear.out_features, linear.in_features) for linear in linears)
    return sum(linear.weight.numel() for linear in linears)


@pytest.mark.parametrize("method", STRUCTURED)
def test_zero_is_the_identity(make_model, make_ids, method):
    loaded = make_model("qwen2")
    same = prune_model(loaded, PruneConfig(method, 0.0), calibration_ids=make_ids())
    assert same.sparsity == 0
    before, after = loaded.model.state_dict(), same.loaded.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(mask.any() for mask in same.masks.values())


def test_biases_of_removed_rows_go_too_and_the_dense_model_stays(make_model, make_ids):
    loaded = make_model("qwen2")
    before = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    result = prune_model(loaded, PruneConfig("structured", 0.7), calibration_ids=make_ids())
    for name, per_head in (("q_proj", 16), ("k_proj", 8), ("v_proj", 8)):
        mask = result.masks[f"model.layers.0.self_attn.{name}"]
        small, dense = (m.model.model.layers[0].self_attn.get_submodule(name) for m in (result.loaded, loaded))
        assert len(small.bias) == len(small.weight) == per_head
        assert torch.equal(small.bias, dense.bias[~mask[:, 0]])
    assert all(torch.equal(tensor, before[name]) for name, tensor in loaded.model.state_dict().items())
    assert not hasattr(loaded.model.config, "layer_widths")
    modules = [*loaded.model.modules(), *result.loaded.model.modules()]
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in modules)
    assert not any(parameter.requires_grad for parameter in result.loaded.model.parameters())


def test_padding_is_not_attended_to(make_model, make_ids):
    small = prune_model(make_model(), PruneConfig("structured", 0.5), calibration_ids=make_ids()).loaded.model
    ids = some_ids(1, 7)
    mask = torch.tensor([[0] * 3 + [1] * 7])
    padded = torch.cat([torch.zeros(1, 3, dtype=torch.long), ids], 1)
    with torch.inference_mode():
        plain = small(ids).logits
        logits = small(padded, attention_mask=mask, position_ids=(mask.cumsum(1) - 1).clamp(min=0)).logits
    torch.testing.assert_close(logits[:, 3:], plain, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("second", METHODS)
def test_a_cut_model_can_be_pruned_again(make_model, make_ids, second):
    loaded = make_model(num_key_value_heads=4, intermediate_size=61)
    first = prune_model(loaded, PruneConfig("structured", 0.3, allocation="global"), calibration_ids=make_ids())
    config = PruneConfig(second, 0.4)
    result = prune_model(first.loaded, config, calibration_ids=make_ids())
    assert result.sparsity == pytest.approx(0.4, abs=0.05)
    for name, mask in result.masks.items():
        assert mask.shape == first.loaded.model.get_submodule(name).weight.shape
    widths = [m.loaded.model.config.layer_widths for m in (first, result)]
    assert all(set(b["kv_heads"]) <= set(a["kv_heads"]) for a, b in zip(*widths, strict=True))
    assert (widths[0] == widths[1]) == (second in UNSTRUCTURED)
    again = zeroed(first.loaded, result)  # two cuts are one larger cut of the same model
    with torch.inference_mode():
        if second in STRUCTURED:
            torch.testing.assert_close(
                result.loaded.model(make_ids()).logits, again.model(make_ids()).logits, atol=1e-4, rtol=1e-4
            )
        else:
            assert result.loaded.model(make_ids()).logits.isfinite().all()


def test_numbers_that_others_read_stay_right(make_model, make_ids):
    loaded = make_model()
    result = prune_model(loaded, PruneConfig("structured", 0.5, allocation="global"), calibration_ids=make_ids())
    of_layers = layer_sparsity(result.masks)  # layers are equally large here
    assert sum(of_layers) / 2 == pytest.approx(result.sparsity)
    removed = sum(mask.sum().item() for mask in result.masks.values())
    assert loaded.parameters - result.loaded.parameters == removed  # no biases here


def test_bfloat16_stays_bfloat16(make_model, make_ids):
    loaded = make_model("qwen2")
    loaded.model.to(torch.bfloat16)
    result = prune_model(loaded, PruneConfig("sink-structured", 0.5), calibration_ids=make_ids())
    assert {parameter.dtype for parameter in result.loaded.model.parameters()} == {torch.bfloat16}
    assert result.sparsity == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("method", STRUCTURED)
def test_what_does_not_fit_is_refused(method):
    for wrong, sentence in (
        ({"sparsity": 0.71}, "0 to 0.7"),
        ({"sparsity": -0.1}, "between 0 and 1"),
        ({"pattern": (2, 4)}, "whole channels and heads"),
        ({"allocation": "everywhere"}, "uniform, global"),
    ):
        with pytest.raises(ValueError, match=sentence):
            PruneConfig(method, **wrong)
    assert METHODS[-2:] == STRUCTURED
