"""Where masks differ and where sinks are strong, against one loop per weight and transformers' own eager attention."""

import copy

import pytest
import torch

from sinkprune.pruning import PruneConfig, prune_model
from sinkprune.pruning.calibration import noised
from sinkprune.pruning.changes import LINEARS, head_means, mask_changes, sink_strength

H, KV, D = 4, 2, 8  # heads of the tiny models


@pytest.fixture(scope="module")
def compared(make_model, make_ids):
    loaded, ids = make_model("qwen3"), make_ids(samples=3)
    plain, aware = (
        prune_model(loaded, PruneConfig("sink-wanda", 0.5, sink_weight=weight), calibration_ids=ids).masks
        for weight in (False, True)
    )
    # Rows of one mask hold equally many zeros; move some so that the signed difference is more than rounding.
    aware = {name: mask.clone() for name, mask in aware.items()}
    aware["model.layers.1.self_attn.q_proj"][:D] = True
    aware["model.layers.1.self_attn.v_proj"][D : D + 4] = False
    return loaded, plain, aware, mask_changes(loaded, plain, aware, ids), ids


def owner_shares(linear, row, column):
    """query head -> how much of the weight it owns."""
    if linear == "self_attn.o_proj":
        return {column // D: 1.0}
    if linear == "self_attn.q_proj":
        return {row // D: 1.0}
    group = H // KV
    return {row // D * group + i: 1 / group for i in range(group)}


def test_heads_and_linears_against_a_loop_over_weights(compared):
    _, plain, aware, changes, _ = compared
    for layer in range(2):
        total, differ, signed = torch.zeros(H, 4), torch.zeros(H, 4), torch.zeros(H, 4)
        for part, linear in enumerate(LINEARS):
            name = f"model.layers.{layer}.{linear}"
            before, after = plain[name].tolist(), aware[name].tolist()
            cells = [(i, j, b, a) for i, rows in enumerate(zip(before, after)) for j, (b, a) in enumerate(zip(*rows))]  # noqa: B905
            share = sum(b != a for _, _, b, a in cells) / len(cells)
            assert changes.disagreement_by_linear[layer, part].item() == pytest.approx(share, abs=1e-6)
            if linear.startswith("mlp"):
                continue
            for i, j, b, a in cells:
                for head, owned in owner_shares(linear, i, j).items():
                    total[head, part] += owned
                    differ[head, part] += owned * (a != b)
                    signed[head, part] += owned * (a - b)
        torch.testing.assert_close(changes.disagreement_by_head[layer], differ.sum(1) / total.sum(1))
        torch.testing.assert_close(changes.difference_by_head[layer], signed.sum(1) / total.sum(1))
        attention = sum(plain[f"model.layers.{layer}.{linear}"].numel() for linear in LINEARS[:4])
        assert total.sum() == pytest.approx(attention)  # every weight is owned once


def test_the_sign_says_that_the_sink_aware_mask_prunes_more(compared):
    *_, changes, _ = compared
    assert changes.difference_by_head[1, 0] > 0  # q: all of head 0 instead of half
    assert changes.difference_by_head[1, 2:].max() < 0  # v: half of KV head 1's rows
    assert changes.disagreement_by_linear.max() < 1
    assert changes.disagreement_by_linear[0].min() > 0


def test_equal_masks_change_nothing(compared):
    loaded, plain, _, _, ids = compared
    changes = mask_changes(loaded, plain, plain, ids)
    for array in (changes.disagreement_by_head, changes.difference_by_head, changes.disagreement_by_linear):
        assert not array.any()
    assert changes.sink_strength.shape == changes.disagreement_by_head.shape == (2, H)


@pytest.mark.parametrize("rule", ["reference", "paper"])
@torch.no_grad()
def test_sink_strength_against_eager_attention(compared, rule):
    loaded, *_, ids = compared
    versions = noised(ids, loaded.spec.mask_token_id, 0)
    eager = copy.deepcopy(loaded.model)
    eager.set_attn_implementation("eager")
    slow = torch.zeros(2, H, dtype=torch.float64)
    for sequence in versions:
        for version in sequence:
            attention = [weights[0].double() for weights in eager(version[None], output_attentions=True).attentions]
            mass = sum(weights.sum((0, 1)) for weights in attention)
            sinks = mass > (mass.mean() if rule == "paper" else mass.mean() + 2 * mass.std(correction=0))
            for layer, weights in enumerate(attention):
                given = weights[:, :, sinks].sum(-1)  # (H, T): what each query gives to sinks
                slow[layer] += given.mean(-1) / len(sequence) / len(versions)
    strength = sink_strength(loaded, versions, rule)
    torch.testing.assert_close(strength.double(), slow, rtol=1e-4, atol=1e-5)
    assert strength.min() >= 0
    assert strength.max() <= 1
    assert strength.std() > 0.005


def test_heads_of_a_group_share_their_key_head():
    values = torch.tensor([1.0, 0.0, 3.0, 5.0])[:, None].expand(4, 7)  # two KV heads of two rows
    assert head_means(values, "self_attn.k_proj", 6, 2).tolist() == [0.5, 0.5, 0.5, 4.0, 4.0, 4.0]


def test_masks_of_another_model_are_refused(compared, make_model):
    loaded, plain, aware, _, ids = compared
    some = dict(list(plain.items())[1:])
    for wrong in (lambda: mask_changes(loaded, some, aware, ids), lambda: mask_changes(loaded, plain, {}, ids)):
        with pytest.raises(ValueError, match=r"layers\.0\.self_attn\.q_proj fits this model"):
            wrong()
    with pytest.raises(ValueError, match="mlp"):
        mask_changes(make_model("qwen3", intermediate_size=40), plain, aware, ids)
    narrow = prune_model(make_model("qwen3"), PruneConfig("structured", 0.3), calibration_ids=ids)
    with pytest.raises(ValueError, match="structured cut"):
        mask_changes(narrow.loaded, plain, aware, ids)
