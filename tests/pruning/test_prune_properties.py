"""What holds for every method on every family: exact sparsity, identity at 0, nothing left at 1, n of m, order of the text, determinism."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sinkprune.pruning import UNSTRUCTURED, CalibrationConfig, PruneConfig, prune_model
from sinkprune.pruning.cuts import cut_by_wanda
from sinkprune.pruning.decisions import smallest, smallest_n_of_m
from sinkprune.pruning.methods import BY_NAME
from sinkprune.pruning.sparsegpt import BLOCK
from sinkprune.pruning.statistics import gram, sum_of_norms, sum_of_squared_norms

methods = st.sampled_from(UNSTRUCTURED)
families = st.sampled_from(["llama", "qwen2", "qwen3"])
seeds = st.integers(0, 2**20)


def assert_zeros_are_the_mask(loaded, result):
    for name, mask in result.masks.items():
        weight = result.loaded.model.get_submodule(name).weight
        assert torch.equal(weight == 0, mask), name
        assert mask.shape == loaded.model.get_submodule(name).weight.shape
    assert [report.name for report in result.reports] == list(result.masks)


def assert_exact(method, mask, sparsity):
    """int(n x sparsity) zeros per row (wanda family), per block of 128 columns (sparsegpt family), or per tensor."""
    if BY_NAME[method].cut is cut_by_wanda:
        assert (mask.sum(1) == int(mask.shape[1] * sparsity)).all()
    else:
        for block in mask.split(BLOCK, dim=1) if BY_NAME[method].second_order else [mask]:
            assert block.sum() == int(block.numel() * sparsity)


@settings(max_examples=25, deadline=None)
@given(method=methods, family=families, sparsity=st.floats(0, 1), seed=seeds)
def test_sparsity_is_exact(make_model, make_ids, method, family, sparsity, seed):
    loaded = make_model(family, seed)
    result = prune_model(loaded, PruneConfig(method, sparsity), CalibrationConfig(seed=seed), make_ids(seed=seed))
    assert_zeros_are_the_mask(loaded, result)
    for mask in result.masks.values():
        assert_exact(method, mask, sparsity)
    zeros = sum(mask.sum().item() for mask in result.masks.values())
    assert result.sparsity == pytest.approx(zeros / sum(mask.numel() for mask in result.masks.values()))


@pytest.mark.parametrize("method", ["sparsegpt", "sink-sparsegpt", "wanda", "magnitude"])
def test_sparsity_is_exact_over_several_blocks_and_uneven_widths(make_model, make_ids, method):
    loaded = make_model(intermediate_size=300)
    mlp = loaded.model.model.layers[1].mlp  # as after a structured cut
    for linear in (mlp.gate_proj, mlp.up_proj):
        linear.weight = torch.nn.Parameter(linear.weight[:200].clone(), requires_grad=False)
        linear.out_features = 200
    mlp.down_proj.weight = torch.nn.Parameter(mlp.down_proj.weight[:, :200].clone(), requires_grad=False)
    mlp.down_proj.in_features = 200
    result = prune_model(loaded, PruneConfig(method, 0.7), calibration_ids=make_ids())
    assert_zeros_are_the_mask(loaded, result)
    for mask in result.masks.values():
        assert_exact(method, mask, 0.7)


@settings(max_examples=10, deadline=None)
@given(method=methods, family=families, sparsity=st.floats(0.05, 0.95), seed=seeds)
def test_sparsity_is_exact_among_equal_weights(make_model, make_ids, method, family, sparsity, seed):
    """Weights that are equal to many others, most of them zero before: none more and none less goes."""
    loaded = make_model(family, seed)
    for name, parameter in loaded.model.named_parameters():
        if name.endswith("proj.weight"):
            parameter.copy_(parameter.round())
    result = prune_model(loaded, PruneConfig(method, sparsity), CalibrationConfig(seed=seed), make_ids(seed=seed))
    for mask in result.masks.values():
        assert_exact(method, mask, sparsity)


@settings(max_examples=10, deadline=None)
@given(method=methods, family=families, seed=seeds)
def test_zero_is_the_identity_and_one_leaves_nothing(make_model, make_ids, method, family, seed):
    loaded, ids = make_model(family, seed), make_ids(seed=seed)
    same = prune_model(loaded, PruneConfig(method, 0.0), calibration_ids=ids)
    assert same.sparsity == 0
    for (name, before), after in zip(loaded.model.named_parameters(), same.loaded.model.parameters(), strict=True):
        assert torch.equal(before, after), name
    none = prune_model(loaded, PruneConfig(method, 1.0), calibration_ids=ids)
    assert none.sparsity == 1
    assert all(mask.all() for mask in none.masks.values())


@settings(max_examples=15, deadline=None)
@given(method=methods, family=families, pattern=st.sampled_from([(2, 4), (4, 8), (1, 2), (3, 16)]), seed=seeds)
def test_n_of_m_is_exact(make_model, make_ids, method, family, pattern, seed):
    loaded = make_model(family, seed)
    result = prune_model(loaded, PruneConfig(method, pattern=pattern), calibration_ids=make_ids(seed=seed))
    assert_zeros_are_the_mask(loaded, result)
    for mask in result.masks.values():
        assert (mask.unflatten(1, (-1, pattern[1])).sum(-1) == pattern[0]).all()
    assert result.sparsity == pytest.approx(pattern[0] / pattern[1])


@settings(max_examples=10, deadline=None)
@given(method=methods, family=families, seed=seeds)
def test_the_input_model_is_untouched_and_only_block_linears_change(make_model, make_ids, method, family, seed):
    loaded = make_model(family, seed)
    before = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    result = prune_model(loaded, PruneConfig(method, 0.5), calibration_ids=make_ids(seed=seed))
    cut = {f"{name}.weight" for name in result.masks}
    after = result.loaded.model.state_dict()
    for name, tensor in loaded.model.state_dict().items():
        assert torch.equal(tensor, before[name])
        assert tensor.data_ptr() != after[name].data_ptr()
        assert torch.equal(tensor, after[name]) == (name not in cut)
    assert len(cut) == 2 * 7


@settings(max_examples=10, deadline=None)
@given(method=methods, family=families, seed=seeds)
def test_the_same_call_gives_the_same_model(make_model, make_ids, method, family, seed):
    runs = []
    for global_seed in (1, 2):
        torch.manual_seed(global_seed)
        runs.append(
            prune_model(
                make_model(family, seed), PruneConfig(method, 0.6), CalibrationConfig(seed=seed), make_ids(seed=seed)
            )
        )
    first, second = (run.loaded.model.state_dict() for run in runs)
    assert all(torch.equal(first[name], second[name]) for name in first)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, weighted=st.booleans())
def test_statistics_do_not_depend_on_batches_or_their_order(seed, weighted):
    generator = torch.Generator().manual_seed(seed)
    x, weight = torch.randn(6, 9, 5, generator=generator), torch.rand(6, 9, generator=generator)
    order = torch.randperm(6, generator=generator)
    for statistic in (sum_of_squared_norms, sum_of_norms, gram):
        whole = statistic(x, weight if weighted else None)
        parts = sum(statistic(x[i], weight[i] if weighted else None) for i in order.split(2))
        torch.testing.assert_close(whole, parts, rtol=1e-4, atol=1e-4)
        scaled = statistic(x * weight[..., None]) if weighted else statistic(x)
        torch.testing.assert_close(whole, scaled, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("width", [1, 191, 192, 500])
def test_the_gram_matrix_is_the_product_at_every_width(width):
    x = torch.randn(2, 30, width)
    torch.testing.assert_close(gram(x), torch.einsum("bti,btj->ij", x, x), rtol=1e-4, atol=1e-4)
    assert torch.equal(gram(x), gram(x).T)


@pytest.mark.parametrize("method", ["wanda", "sparsegpt"])
def test_the_order_of_clean_sequences_does_not_matter(make_model, make_ids, method):
    loaded, ids = make_model(), make_ids(samples=80)
    first = prune_model(loaded, PruneConfig(method, 0.5), calibration_ids=ids)
    second = prune_model(loaded, PruneConfig(method, 0.5), calibration_ids=ids.flip(0))
    differing = sum((first.masks[name] != second.masks[name]).sum().item() for name in first.masks)
    assert differing <= 4  # near ties, of 15,360


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.lists(st.integers(0, 3), min_size=8, max_size=8), min_size=1, max_size=4), k=st.integers(0, 9))
def test_smallest_marks_the_first_k_of_a_stable_sort(rows, k):
    scores = torch.tensor(rows).float()
    expected = torch.zeros_like(scores, dtype=torch.bool)
    expected.scatter_(1, scores.sort(dim=1, stable=True).indices[:, :k], True)
    assert torch.equal(smallest(scores, k), expected)
    assert (smallest_n_of_m(scores, 1, 4).view(-1, 4).sum(1) == 1).all()
