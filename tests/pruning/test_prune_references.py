"""Every method, pattern, rule and the ablation against the slow references: a random Llama with grouped-query attention, all methods also
on a Qwen2 with biases and a Qwen3 with norms on queries and keys."""

import pytest
import torch
from slow_references import slow_prune, slow_sparsegpt

from sinkprune.pruning import UNSTRUCTURED, CalibrationConfig, PruneConfig, measuring, prune_model
from sinkprune.pruning.calibration import noised
from sinkprune.pruning.sparsegpt import invert_hessian, sparsegpt

CASES = [
    PruneConfig("magnitude", 0.6),
    PruneConfig("magnitude", pattern=(4, 8)),
    PruneConfig("wanda", 0.6),
    PruneConfig("wanda", pattern=(2, 4)),
    PruneConfig("wanda", pattern=(4, 8)),
    PruneConfig("sparsegpt", 0.6),
    PruneConfig("sparsegpt", pattern=(2, 4)),
    PruneConfig("sparsegpt", pattern=(4, 8)),
    PruneConfig("sink-wanda", 0.6),
    PruneConfig("sink-wanda", 0.3, sink_rule="paper"),
    PruneConfig("sink-wanda", 0.6, sink_weight=False),
    PruneConfig("sink-wanda", pattern=(4, 8)),
    PruneConfig("sink-wanda", pattern=(2, 4), sink_rule="paper"),
    PruneConfig("sink-wanda", pattern=(2, 4), sink_weight=False),
    PruneConfig("sink-sparsegpt", 0.6),
    PruneConfig("sink-sparsegpt", 0.3, sink_rule="paper"),
    PruneConfig("sink-sparsegpt", pattern=(3, 4)),
    PruneConfig("sink-sparsegpt", pattern=(4, 8), sink_rule="paper"),
    PruneConfig("sink-sparsegpt", pattern=(2, 4), sink_weight=False),
    PruneConfig("sink-sparsegpt", 0.6, sink_weight=False),
]


def differing(masks, others):
    return sum((masks[name] != others[name]).sum().item() for name in masks)


@pytest.mark.parametrize(
    "config", CASES, ids=lambda c: f"{c.method}-{c.pattern or c.sparsity}-{c.sink_rule}-{c.sink_weight}"
)
@torch.no_grad()
def test_masks_and_weights_equal_the_slow_reference(make_model, make_ids, config):
    assert_equals_slow(make_model(), make_ids(samples=3), config)


@pytest.mark.parametrize("pattern", [None, (2, 4), (4, 8)])
@pytest.mark.parametrize("method", UNSTRUCTURED)
@pytest.mark.parametrize("family", ["qwen2", "qwen3"])
@torch.no_grad()
def test_other_families_equal_the_slow_reference(make_model, make_ids, family, method, pattern):
    assert_equals_slow(make_model(family), make_ids(samples=3), PruneConfig(method, 0.6, pattern))


def assert_equals_slow(loaded, ids, config):
    result = prune_model(loaded, config, CalibrationConfig(seed=3), ids)
    model, masks = slow_prune(loaded.model, ids, noised(ids, loaded.spec.mask_token_id, 3), config)
    assert masks.keys() == result.masks.keys()
    assert differing(result.masks, masks) == 0
    for name in masks:
        ours, theirs = result.loaded.model.get_submodule(name).weight, model.get_submodule(name).weight
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_the_choices_make_a_difference(make_model, make_ids):
    """The cases above could not tell sinks, rules or noise apart if all gave the same mask."""
    masks = [
        prune_model(make_model(), config, CalibrationConfig(seed=3), make_ids(samples=3)).masks
        for config in (
            PruneConfig("wanda", 0.6),
            PruneConfig("sink-wanda", 0.6, sink_weight=False),
            PruneConfig("sink-wanda", 0.6),
            PruneConfig("sink-wanda", 0.6, sink_rule="paper"),
            PruneConfig("sparsegpt", 0.6),
            PruneConfig("sink-sparsegpt", 0.6),
            PruneConfig("sink-sparsegpt", 0.6, sink_rule="paper"),
        )
    ]
    for i, first in enumerate(masks):
        for other in masks[:i]:
            assert differing(first, other) >= 20  # the references above allow 0


def test_sink_wanda_in_two_forwards_equals_one(make_model, make_ids, monkeypatch):
    for rule in ("reference", "paper"):
        config = PruneConfig("sink-wanda", 0.6, sink_rule=rule)
        one = prune_model(make_model(), config, calibration_ids=make_ids())
        with monkeypatch.context() as patch:
            patch.setattr(measuring, "KEPT_INPUTS", 0)
            patch.setattr(measuring, "BATCH_TOKENS", 48)  # three of the ten versions at a time
            two = prune_model(make_model(), config, calibration_ids=make_ids())
        assert differing(one.masks, two.masks) == 0


@pytest.mark.parametrize("pattern", [None, (2, 4), (1, 3), (2, 5), (7, 150)])
def test_sparsegpt_over_several_blocks_equals_the_slow_one(pattern):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(900, 300, generator=generator) @ torch.randn(300, 300, generator=generator)
    weight, hessian = torch.randn(10, 300, generator=generator), x.T @ x / 900
    new, mask = sparsegpt(weight, *invert_hessian(hessian)[:2], 0.55, pattern)
    slow_new, slow_mask = slow_sparsegpt(weight, hessian, 0.55, pattern)
    assert torch.equal(mask, slow_mask)
    torch.testing.assert_close(new, slow_new.float(), rtol=1e-2, atol=1e-3)


def test_stacked_linears_are_solved_as_if_alone():
    generator = torch.Generator().manual_seed(1)
    x, weights = (
        torch.randn(500, 200, generator=generator),
        [torch.randn(n, 200, generator=generator) for n in (8, 3, 3)],
    )
    hinv_chol, dead, _ = invert_hessian(x.T @ x / 500)
    for pattern in (None, (2, 4)):
        stacked, mask = sparsegpt(torch.cat(weights), hinv_chol, dead, 0.5, pattern, rows=[8, 3, 3])
        alone = [sparsegpt(weight, hinv_chol, dead, 0.5, pattern) for weight in weights]
        assert torch.equal(mask, torch.cat([m for _, m in alone]))
        torch.testing.assert_close(stacked, torch.cat([w for w, _ in alone]))


def test_sparsegpt_loses_less_output_than_its_mask_alone():
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(600, 12, generator=generator) @ torch.randn(12, 96, generator=generator)  # inputs that can stand in
    x += 0.3 * torch.randn(600, 96, generator=generator)
    weight = torch.randn(24, 96, generator=generator)
    new, mask = sparsegpt(weight, *invert_hessian(x.T @ x / 600)[:2], 0.5)
    lost, lost_without = (x @ (weight - new).T).norm(), (x @ (weight * mask).T).norm()
    assert lost < 0.5 * lost_without
