"""Pruning as a generator: progress, cancelling, what it leaves behind, and what it refuses."""

import dataclasses
import gc
import weakref

import pytest
import torch

from sinkprune.models import set_causal
from sinkprune.models.copies import copy_sharing_tensors
from sinkprune.pruning import (
    METHODS,
    UNSTRUCTURED,
    CalibrationConfig,
    PruneConfig,
    PruneProgress,
    PruneResult,
    prune,
    prune_model,
    prune_steps,
)
from sinkprune.pruning.methods import BY_NAME
from sinkprune.pruning.sparsegpt import DAMPING, invert_hessian, sparsegpt
from sinkprune.pruning.statistics import HESSIAN, gram


def hooks_of(model):
    return sum(len(m._forward_pre_hooks) + len(m._forward_hooks) for m in model.modules())


@pytest.mark.parametrize("method", METHODS)
def test_progress_names_every_layer_and_linear_once_and_ends_with_the_result(make_model, make_ids, method):
    *steps, result = prune_steps(make_model(), PruneConfig(method), calibration_ids=make_ids())
    assert isinstance(result, PruneResult)
    assert all(isinstance(step, PruneProgress) for step in steps)
    layers = [step for step in steps if step.phase == "layer"]
    assert [step.layer for step in layers] == [0, 1]
    assert [name for step in layers for name in step.linears] == list(result.masks)
    assert sum(step.phase == "sinks" for step in steps) == (6 if method.startswith("sink") else 0)
    assert all(1 <= step.done <= step.total and step.layers == 2 for step in steps)
    seconds = [step.seconds for step in steps]
    assert seconds == sorted(seconds)
    assert seconds[-1] <= result.seconds
    assert hooks_of(result.loaded.model) == 0


@pytest.mark.parametrize("method", METHODS)
def test_closing_anywhere_leaves_nothing_behind(make_model, make_ids, monkeypatch, method):
    loaded, ids, copies = make_model(), make_ids(samples=2), []

    def noting_copy(model):
        made = copy_sharing_tensors(model)
        copies.append(weakref.ref(made))
        return made

    monkeypatch.setattr(prune, "copy_sharing_tensors", noting_copy)
    before = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    attention = loaded.model.config._attn_implementation
    total = sum(1 for _ in prune_steps(loaded, PruneConfig(method), calibration_ids=ids))
    for stop in range(1, total, 2):
        steps = prune_steps(loaded, PruneConfig(method), calibration_ids=ids)
        for _ in range(stop):
            next(steps)
        assert copies[-1]() is not None
        steps.close()
    gc.collect()
    assert [alive for alive in copies if alive() is not None] == []
    assert hooks_of(loaded.model) == 0
    assert loaded.model.config._attn_implementation == attention
    assert torch.is_grad_enabled()
    assert all(torch.equal(tensor, before[name]) for name, tensor in loaded.model.state_dict().items())


@pytest.mark.parametrize("method", METHODS)
def test_in_place_the_model_itself_is_cut_and_nothing_is_copied(make_model, make_ids, method):
    loaded, ids = make_model(), make_ids()
    copied = prune_model(make_model(), PruneConfig(method, 0.5), calibration_ids=ids)
    result = prune_model(loaded, PruneConfig(method, 0.5), calibration_ids=ids, in_place=True)
    assert result.loaded is loaded
    weights, others = loaded.model.state_dict(), copied.loaded.model.state_dict()
    assert all(torch.equal(weight, others[name]) for name, weight in weights.items())


def test_the_consumer_keeps_its_own_grad_mode(make_model, make_ids):
    steps = prune_steps(make_model(), PruneConfig("sink-sparsegpt"), calibration_ids=make_ids())
    while not isinstance(step := next(steps), PruneResult):
        assert torch.is_grad_enabled()
    assert torch.is_grad_enabled()
    assert not any(mask.is_inference() for mask in step.masks.values())


def test_layers_look_both_ways_even_if_their_modules_say_causal(make_model, make_ids):
    loaded, trap = make_model(), make_model()
    set_causal(trap.model, True)
    trap.model.config.is_causal = False  # as a model loaded by transformers alone would be
    config = PruneConfig("wanda", 0.5)
    fair, other = (prune_model(m, config, calibration_ids=make_ids()).masks for m in (loaded, trap))
    assert all(torch.equal(fair[name], other[name]) for name in fair)


@pytest.mark.parametrize("method", UNSTRUCTURED)
def test_bfloat16_stays_bfloat16_with_exact_zeros(make_model, make_ids, method):
    loaded = make_model()
    loaded.model.to(torch.bfloat16)
    result = prune_model(loaded, PruneConfig(method, 0.5), calibration_ids=make_ids())
    for name, mask in result.masks.items():
        weight = result.loaded.model.get_submodule(name).weight
        assert weight.dtype == torch.bfloat16
        assert torch.equal(weight == 0, mask)
    assert result.sparsity == 0.5


def test_a_pruned_model_can_be_pruned_further(make_model, make_ids):
    half = prune_model(make_model(), PruneConfig("sparsegpt", 0.5), calibration_ids=make_ids())
    more = prune_model(half.loaded, PruneConfig("wanda", 0.75), calibration_ids=make_ids())
    assert more.sparsity == 0.75


def test_dead_inputs_lose_their_weights(make_model, make_ids):
    loaded = make_model()
    loaded.model.model.layers[0].input_layernorm.weight[5] = 0  # nothing ever arrives at input 5 of q, k, v
    result = prune_model(loaded, PruneConfig("sparsegpt", 0.5), calibration_ids=make_ids())
    weight = result.loaded.model.model.layers[0].self_attn.q_proj.weight
    assert (weight[:, 5] == 0).all()
    assert weight.isfinite().all()
    assert result.masks["model.layers.0.self_attn.q_proj"].sum() == weight.numel() // 2


def test_damping_is_reported_and_raised_where_the_hessian_needs_it(make_model, make_ids):
    result = prune_model(make_model(), PruneConfig("sparsegpt"), calibration_ids=make_ids())
    assert {report.damping for report in result.reports} == {DAMPING}
    hessian = torch.tensor([[1.0, 3.0], [3.0, 1.0]])  # eigenvalues 4 and -2
    hinv_chol, _, damping = invert_hessian(hessian)
    assert damping == pytest.approx(10.0)
    torch.testing.assert_close(hinv_chol.T @ hinv_chol, torch.linalg.inv(hessian + damping * torch.eye(2)))
    assert torch.equal(hessian, torch.tensor([[1.0, 3.0], [3.0, 1.0]]))
    new, _ = sparsegpt(torch.randn(4, 2), hinv_chol, torch.zeros(2, dtype=torch.bool), 0.5)
    assert new.isfinite().all()
    with pytest.raises(ValueError, match="heavy damping"):
        invert_hessian(torch.full((2, 2), torch.nan))


@pytest.mark.parametrize(
    ("ids", "sentence"),
    [
        (torch.zeros(0, 16, dtype=torch.long), "at least 1 sequence"),
        (torch.zeros(3, 1, dtype=torch.long), "at least 1 sequence of 2 tokens"),
        (torch.zeros(16, dtype=torch.long), "samples, length"),
        (torch.zeros(3, 16), "LongTensor"),
        (torch.full((3, 16), 64), "0..63"),
        (torch.full((3, 16), -1), "0..63"),
        (None, "calibration_ids"),  # no tokenizer
    ],
)
def test_unusable_calibration_is_refused(make_model, ids, sentence):
    with pytest.raises(ValueError, match=sentence):
        prune_model(make_model(), PruneConfig("wanda"), calibration_ids=ids)
    if ids is not None:  # refused even where it would not be read
        with pytest.raises(ValueError, match=sentence):
            prune_model(make_model(), PruneConfig("magnitude"), calibration_ids=ids)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("tensor", ["layers.1.mlp.up_proj.weight", "layers.0.self_attn.k_proj.bias", "norm.weight"])
def test_damaged_weights_are_refused(make_model, make_ids, tensor, value):
    broken = make_model("qwen2")
    broken.model.model.get_parameter(tensor).view(-1)[-1] = value
    for method in METHODS:
        with pytest.raises(ValueError, match=rf"{tensor} holds NaN or infinity.*load it again"):
            prune_model(broken, PruneConfig(method), calibration_ids=make_ids())


def test_offloaded_and_quantised_weights_are_refused(make_model):
    offloaded = make_model()
    offloaded.model.model.layers[0].self_attn.o_proj.to("meta")
    with pytest.raises(ValueError, match=r"o_proj is offloaded.*without an offloading device_map"):
        prune_model(offloaded, PruneConfig("magnitude"))
    quantised = make_model()
    linear = quantised.model.model.layers[0].mlp.down_proj
    linear.weight = torch.nn.Parameter(linear.weight.to(torch.int8), requires_grad=False)
    with pytest.raises(ValueError, match=r"down_proj is quantised.*prune, then quantise"):
        prune_model(quantised, PruneConfig("magnitude"))


@pytest.mark.parametrize("method", [method for method in METHODS if BY_NAME[method].reads_text])
def test_inputs_that_overflow_are_refused_and_nothing_is_left_behind(make_model, make_ids, method):
    loaded = make_model()
    loaded.model.model.layers[1].input_layernorm.weight.fill_(3e38)
    before = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    with pytest.raises(ValueError, match="hold NaN or infinity on this calibration text"):
        prune_model(loaded, PruneConfig(method), calibration_ids=make_ids())
    assert all(torch.equal(tensor, before[name]) for name, tensor in loaded.model.state_dict().items())
    assert hooks_of(loaded.model) == 0
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("pattern", [None, (2, 4)])
@pytest.mark.parametrize("method", UNSTRUCTURED)
def test_dead_inputs_and_silent_layers_are_no_failure(make_model, make_ids, method, pattern):
    """Inputs that are always 0: two in layer 0, all of them in layer 1."""
    loaded = make_model()
    loaded.model.model.layers[0].post_attention_layernorm.weight[:2] = 0
    loaded.model.model.layers[1].post_attention_layernorm.weight[:] = 0
    result = prune_model(loaded, PruneConfig(method, 0.5, pattern), calibration_ids=make_ids())
    for name, mask in result.masks.items():
        weight = result.loaded.model.get_submodule(name).weight
        assert weight.isfinite().all()
        assert torch.equal(weight == 0, mask)
        silent = "layers.1.mlp" in name and "sparsegpt" in method  # weights on dead inputs go in any case
        assert mask.float().mean() == pytest.approx(1.0 if silent else 0.5)
        if ("layers.0.mlp.gate" in name or "layers.0.mlp.up" in name) and BY_NAME[method].reads_text:
            assert mask[:, :2].all()


def test_a_hessian_that_is_not_positive_definite_is_damped_more_and_reported(make_model, make_ids, monkeypatch):
    def indefinite(x, weight=None):
        total = gram(x, weight)
        return total - 0.3 * total.diagonal().mean() * torch.eye(len(total))

    for method in ("sparsegpt", "sink-sparsegpt"):
        statistic = dataclasses.replace(HESSIAN, of_batch=indefinite)
        monkeypatch.setitem(BY_NAME, method, dataclasses.replace(BY_NAME[method], statistic=statistic))
        result = prune_model(make_model(), PruneConfig(method, 0.5), calibration_ids=make_ids())
        assert max(report.damping for report in result.reports) > DAMPING
        assert result.sparsity == 0.5
        assert all(parameter.isfinite().all() for parameter in result.loaded.model.parameters())


def test_no_more_text_runs_than_is_needed(make_model, make_ids):
    """Nine noised versions of each sequence and, once for all, the tenth, which is all MASK."""
    runs, loaded, ids = [], make_model(), make_ids()
    loaded.model.model.embed_tokens.register_forward_pre_hook(lambda _, args: runs.append(len(args[0])))
    counted = {}
    for method in ("wanda", "sink-wanda", "sink-sparsegpt"):
        runs.clear()
        prune_model(loaded, PruneConfig(method), calibration_ids=ids)
        counted[method] = sum(runs)
    assert counted == {"wanda": len(ids), "sink-wanda": 9 * len(ids) + 1, "sink-sparsegpt": 10 * len(ids) + 1}


def test_settings_that_do_not_fit_are_refused(make_model, make_ids):
    with pytest.raises(ValueError, match="5 must divide its 32 inputs"):
        prune_model(make_model(), PruneConfig("wanda", pattern=(2, 5)), calibration_ids=make_ids())
    for wrong in (
        {"sparsity": 1.1},
        {"sparsity": -0.1},
        {"sparsity": float("nan")},
        {"method": "wander"},
        {"pattern": (4, 4)},
        {"pattern": (0, 4)},
        {"pattern": (5, 4)},
        {"pattern": (2,)},
        {"pattern": (1.0, 2.0)},
        {"sink_rule": "papre"},
    ):
        with pytest.raises(ValueError, match=rf"{next(iter(wrong))}.* not "):
            PruneConfig(**wrong)
    with pytest.raises(ValueError, match="at least 2 tokens"):
        CalibrationConfig(length=1)
    with pytest.raises(ValueError, match="at least 1 sequence"):
        CalibrationConfig(samples=0)
