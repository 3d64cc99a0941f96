"""A decision laid open is the decision that prune_model takes: patches equal masks, and every number follows from the one before."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sinkprune.pruning import CalibrationConfig, PruneConfig, prune_model
from sinkprune.pruning.calibration import noised
from sinkprune.pruning.explain import LINEARS, PATCH, Spot, explain_decision, measure_evidence
from sinkprune.pruning.linears import INPUT_GROUPS
from tests.pruning.conftest import random_ids, two_layers

PATHS = dict(zip(LINEARS, (name for group in INPUT_GROUPS for name in group), strict=True))
SHARP = {"initializer_range": 1.0}  # attention uneven enough for real sinks


def explained(loaded, config, spot, ids, seed=0):
    calibration = CalibrationConfig(seed=seed)
    *progress, evidence = measure_evidence(loaded, config, calibration, ids)
    assert progress == [(done, len(ids)) for done in range(1, len(ids) + 1)]
    return explain_decision(loaded, config, spot, evidence)


def mask_of(loaded, config, spot, ids, seed=0):
    result = prune_model(loaded, config, CalibrationConfig(seed=seed), ids)
    return result.masks[f"model.layers.{spot.layer}.{PATHS[spot.linear]}"]


@given(
    linear=st.sampled_from(LINEARS),
    layer=st.integers(0, 1),
    row=st.integers(0, 15),
    column=st.one_of(st.none(), st.integers(0, 31)),
    seed=st.integers(0, 3),
    rule=st.sampled_from(["reference", "paper"]),
    how=st.sampled_from([{"sparsity": 0.25}, {"sparsity": 0.5}, {"sparsity": 0.9}, {"pattern": (2, 4)}]),
    family=st.sampled_from(["llama", "qwen2"]),
)
def test_the_patch_is_the_mask_of_prune_model(linear, layer, row, column, seed, rule, how, family):
    loaded, ids = two_layers(family, seed, **SHARP), random_ids(2, 12, seed)
    config, spot = PruneConfig("sink-wanda", sink_rule=rule, **how), Spot(layer, linear, row, column)
    found = explained(loaded, config, spot, ids, seed)
    here = (found.rows[:, None], found.columns)
    mask = mask_of(loaded, config, spot, ids, seed)
    ablation = PruneConfig("sink-wanda", sink_rule=rule, sink_weight=False, **how)
    plain = mask_of(loaded, ablation, spot, ids, seed)
    assert torch.equal(found.goes, mask[here])
    assert torch.equal(found.goes_plain, plain[here])
    assert found.flipped_row == (mask ^ plain)[row].sum()
    assert found.flipped == pytest.approx((mask ^ plain).float().mean().item())
    assert row in found.rows
    assert column is None or column in found.columns


def test_every_number_follows_from_the_one_before(tiny):
    loaded, ids = two_layers(**SHARP), random_ids(1, 20)
    found = explained(loaded, PruneConfig(), Spot(1, "down", 9, 3), ids)
    tokens = found.tokens
    assert torch.equal(tokens.ids, noised(ids, loaded.spec.mask_token_id, 0)[0])
    heads = loaded.model.config.num_hidden_layers * loaded.model.config.num_attention_heads
    assert torch.allclose(tokens.mass.mean(1), torch.full((10,), float(heads)), rtol=1e-4)
    assert torch.equal(tokens.sinks, tokens.mass > tokens.threshold[:, None])
    assert (tokens.omega[tokens.sinks] < 0.5).all()
    assert (tokens.omega[~tokens.sinks] >= 0.5).all()
    weighted = (found.inputs * tokens.omega[..., None]).square().sum(1).sqrt().sum(0)
    assert torch.allclose(found.norm, weighted, rtol=1e-4)
    assert torch.allclose(found.norm_plain, found.inputs.square().sum(1).sqrt().sum(0), rtol=1e-4)
    assert torch.allclose(found.score, found.weight.abs() * found.norm)
    assert torch.equal(found.goes, found.score <= found.cut[:, None])
    assert torch.equal(found.goes_plain, found.score_plain <= found.cut_plain[:, None])
    assert found.weight.shape == PATCH


def test_the_paper_s_rule_has_one_weight_for_all_noise_levels():
    tokens = explained(two_layers(**SHARP), PruneConfig(sink_rule="paper"), Spot(0, "q", 0), random_ids(1, 20)).tokens
    assert torch.equal(tokens.omega, tokens.omega[:1].expand_as(tokens.omega))
    others = (tokens.mass.sum(1, keepdim=True) - tokens.mass) / (tokens.mass.shape[1] - 1)
    assert torch.equal(tokens.sinks, tokens.mass > others)


def test_without_a_column_the_patch_lies_where_most_decisions_of_the_row_flip():
    loaded, ids = two_layers(**SHARP, intermediate_size=96), random_ids(2, 20)
    best = explained(loaded, PruneConfig(), Spot(0, "down", 5), ids)
    flips = [
        (found.goes ^ found.goes_plain)[found.rows.tolist().index(5)].sum().item()
        for found in (explained(loaded, PruneConfig(), Spot(0, "down", 5, column), ids) for column in (0, 24, 48, 72))
    ]
    assert (best.goes ^ best.goes_plain)[best.rows.tolist().index(5)].sum() >= max(flips)


@pytest.mark.parametrize(
    ("config", "spot", "words"),
    [
        (PruneConfig("wanda"), Spot(0, "q", 0), "only sink-wanda"),
        (PruneConfig(sink_weight=False), Spot(0, "q", 0), "sink_weight on"),
        (PruneConfig(), Spot(2, "q", 0), "layer must lie between 1 and 2"),
        (PruneConfig(), Spot(0, "head", 0), "projection must be one of"),
        (PruneConfig(), Spot(0, "k", 16), "row must lie between 0 and 15"),
        (PruneConfig(), Spot(0, "q", 0, 32), "input must lie between 0 and 31"),
    ],
)
def test_what_cannot_be_explained_is_refused_in_a_sentence(config, spot, words):
    with pytest.raises(ValueError, match=words):
        explained(two_layers(), config, spot, random_ids(1, 8))
