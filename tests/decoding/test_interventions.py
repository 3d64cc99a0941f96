"""What if: covered columns and heads left out, against golden runs, masks and zeroed weights."""

import copy
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sinkprune.decoding import Cover, DecodeConfig, LeaveOutHeads, autoregress, denoise, generate
from sinkprune.decoding.interventions import Session, columns_to_cover, heads_to_leave_out, sink_strength
from sinkprune.models import causal_view
from sinkprune.models.watching import change_attention
from tests.decoding.samples import FAMILIES, LLAMA, MODELS, some_prompt, without_end
from tests.pruning.structured_twins import some_ids, uneven_twins
from tests.tiny_models import FIXTURES, MASK

PROMPTS = json.loads((FIXTURES / "decoding" / "sparse_dllm_llada.json").read_text())["prompts"]
COVERS = (
    Cover(),
    Cover(count=3, per_head=False),
    Cover("random", 2),
    Cover("random", 2, per_head=False),
    Cover("least", 2),
    Cover("given", positions=(0, 5)),
    Cover(protocol="paper"),
)
INTERVENTIONS = (*COVERS, *(LeaveOutHeads(which, 3) for which in ("lowest", "highest", "random")))


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("number", range(3))
def test_covered_logits_are_the_recorded_ones(number, count, llada):
    """The same canvas twice: the second forward covers each head's leading columns of the first."""
    recorded = np.load(FIXTURES / "decoding" / "tiny_llada_sinks.npz")
    ids = torch.tensor([PROMPTS[number] + [126] * 32])
    session, logits = Session(Cover(count=count), llada.model.config), []
    for _ in range(2):
        with session.changing(ids.shape[1]), torch.inference_mode():
            logits.append(llada.model(ids).logits[0, len(PROMPTS[number]) :][:8])
    columns = torch.from_numpy(recorded[f"p{number}_top{count}"]).long()  # (L, H, count)
    assert torch.equal(session.covered, torch.zeros_like(session.covered).scatter_(2, columns, True))
    for ours, name in zip(logits, ("logits", f"covered{count}_logits"), strict=True):
        torch.testing.assert_close(ours, torch.from_numpy(recorded[f"p{number}_{name}"]), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_given_columns_are_hidden_from_every_row(family):
    """As if they were padding: the other positions see the same logits."""
    loaded, prompt = MODELS[family, False], some_prompt(8)
    step = next(denoise(loaded, prompt, DecodeConfig(8, 8, 8), intervention=Cover("given", positions=(2, 6))))
    canvas = torch.cat([prompt, torch.full((1, 8), MASK)], 1)
    visible = torch.ones_like(canvas).index_fill(1, torch.tensor([2, 6]), 0)
    with torch.inference_mode():
        logits = loaded.model(canvas, attention_mask=visible).logits[0, 8:]
    probabilities = logits.softmax(-1)
    probabilities[:, MASK] = 0
    torch.testing.assert_close(step.confidence[8:], probabilities.amax(-1), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("which", ["lowest", "highest", "random"])
@pytest.mark.parametrize("family", FAMILIES)
def test_heads_left_out_are_heads_with_their_output_weights_zeroed(family, which):
    loaded, prompt = MODELS[family, False], some_prompt(8)
    config, asked = DecodeConfig(8, 8, 8), LeaveOutHeads(which, 5)
    steps = generate(loaded, prompt, config, record=True, intervention=asked).steps
    model = copy.deepcopy(loaded.model)
    for layer, heads in zip(model.model.layers, steps[1].left_out, strict=True):
        gone = heads.repeat_interleave(layer.self_attn.head_dim)
        layer.self_attn.o_proj.weight = torch.nn.Parameter(
            layer.self_attn.o_proj.weight.masked_fill(gone, 0), requires_grad=False
        )
    with torch.inference_mode():
        logits = model(steps[0].canvas).logits[0]
    probabilities = logits.softmax(-1)
    probabilities[:, MASK] = 0
    computed = ~steps[1].confidence.isnan()
    torch.testing.assert_close(steps[1].confidence[computed], probabilities.amax(-1)[computed], atol=1e-4, rtol=1e-4)
    strength = sink_strength(steps[0].column_mass)
    assert not steps[0].left_out.any()
    assert steps[1].left_out.sum() == 5
    if which != "random":
        order = strength.flatten().argsort(descending=which == "highest")
        assert set(steps[1].left_out.flatten().nonzero()[:, 0].tolist()) == set(order[:5].tolist())
    assert not steps[1].column_mass[steps[1].left_out].any()


@pytest.mark.parametrize("cover", [Cover(count=2), Cover(count=2, per_head=False), Cover(count=2, protocol="paper")])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_autoregressive_lane_covers_what_the_rows_before_attend_to(family, cover):
    """Each step against a forward of its own over the whole canvas, where every row hides what its step says it hid."""
    loaded, prompt = without_end(MODELS[family, False]), some_prompt(5)
    view = causal_view(loaded)
    steps = list(autoregress(loaded, prompt, 6, record=True, intervention=cover))
    assert not steps[0].covered.any()
    bare = torch.zeros(3, 4, 0)  # mass of all rows so far without the cover, by the forwards below
    for number, step in enumerate(steps):
        before = prompt if number == 0 else steps[number - 1].canvas
        rows = {before.shape[1] - 1 - back: steps[number - back].covered for back in range(number + 1)}
        raw = {}

        def hide(layer, scores, rows=rows, raw=raw):
            raw[layer] = torch.softmax(scores, -1)[0]
            scores = scores.clone()
            for row, covered in rows.items():
                if row >= prompt.shape[1]:
                    scores[0, :, row, : row + 1].masked_fill_(covered[layer][:, : row + 1], -torch.inf)
            return torch.softmax(scores, -1)

        with torch.inference_mode(), change_attention(view.model.config, hide):
            logits = view.model(before, use_cache=False).logits[0, -1]
        logits = logits.clone()
        logits[MASK] = -torch.inf
        assert step.canvas[0, -1] == logits.argmax()
        if number:
            ranked = bare if cover.per_head else bare.sum((0, 1)).expand_as(bare)
            expected = torch.zeros_like(step.covered).scatter_(2, ranked.topk(2).indices, True)
            assert torch.equal(step.covered, expected)
            assert not step.column_mass.isnan().any()
        weights = torch.stack([raw[layer] for layer in range(3)])  # (L, H, Q, K)
        bare = weights[:, :, -1] if cover.protocol == "paper" else weights.sum(2)


def test_a_row_that_sees_only_covered_columns_keeps_them():
    """The first two rows of a causal prompt see nothing but covered columns; the third sees itself alone."""
    loaded, cover = without_end(LLAMA), Cover("given", positions=(0, 1))
    steps = list(autoregress(loaded, some_prompt(3), 4, record=True, intervention=cover))
    plain = next(autoregress(loaded, some_prompt(3), 4, record=True))
    assert all(step.column_mass.isfinite().all() for step in steps)
    torch.testing.assert_close(steps[0].column_mass[..., :2].sum(-1), torch.full((3, 4), 2.0))
    torch.testing.assert_close(steps[0].column_mass[..., 2], torch.ones(3, 4))
    assert not torch.equal(steps[0].confidence, plain.confidence)


@pytest.mark.parametrize("cover", COVERS)
def test_leading_columns_are_those_of_the_step_before(cover):
    steps = generate(LLAMA, some_prompt(9), DecodeConfig(16, 8, 16), record=True, intervention=cover).steps
    chosen = len(cover.positions) or cover.count
    for number, step in enumerate(steps):
        first = number == 0 and cover.which != "given"
        assert step.covered.sum(-1).eq(0 if first else chosen).all()
        assert step.left_out is None
        assert not step.column_mass[step.covered].any()
        torch.testing.assert_close(step.column_mass.sum(-1), torch.full((3, 4), 25.0))
        if not cover.per_head:
            assert torch.equal(step.covered, step.covered[:1, :1].expand_as(step.covered))
    mass = steps[0].column_mass if cover.per_head else steps[0].column_mass.sum((0, 1)).expand(3, 4, -1)
    leading = torch.zeros_like(steps[1].covered).scatter_(2, mass.topk(cover.count).indices, True)
    if cover.which == "leading":
        assert torch.equal(steps[1].covered, leading)
    if cover.which == "random":
        assert not (steps[1].covered & leading).any()
        assert not torch.equal(steps[1].covered, steps[2].covered)
    if cover.which == "least":
        assert torch.equal(steps[1].covered, torch.zeros_like(leading).scatter_(2, (-mass).topk(2).indices, True))


def test_a_covered_sink_stays_a_sink():
    """The choice comes from attention without the cover: on an unchanged canvas the same columns are covered again."""
    ids = torch.cat([some_prompt(9), torch.full((1, 4), MASK)], 1)
    session, covered = Session(Cover(count=2), LLAMA.model.config), []
    for _ in range(4):
        with session.changing(13), torch.inference_mode():
            LLAMA.model(ids)
        covered.append(session.covered)
    assert torch.equal(covered[1][0], covered[2][0])  # the first layer's rows never change
    assert torch.equal(covered[1][0], covered[3][0])


@settings(max_examples=40)
@given(
    st.sampled_from(FAMILIES),
    st.booleans(),
    st.sampled_from(["none", "prefix", "dual", "sparse"]),
    st.sampled_from(INTERVENTIONS),
    st.sampled_from([{}, {"threshold": 0.6}, {"cfg_scale": 0.5}, {"temperature": 0.8, "remasking": "random"}]),
)
def test_interventions_go_with_every_cache_and_rule(family, shift, cache, asked, rule):
    loaded, config = MODELS[family, shift], DecodeConfig(12, 4, 12, cache=cache, **rule)
    steps = generate(loaded, some_prompt(), config, record=True, intervention=asked).steps
    again = generate(loaded, some_prompt(), config, intervention=asked).steps
    assert not (steps[-1].canvas == MASK).any()
    for step, other in zip(steps, again, strict=True):
        assert torch.equal(step.canvas, other.canvas)
        changed = step.covered if isinstance(asked, Cover) else step.left_out
        assert not changed.is_inference()
        assert not step.column_mass[changed].any()
        assert not step.column_mass.isnan().any()
        held = torch.ones(3, 18, dtype=torch.bool) if step.kept is None else step.kept
        if isinstance(asked, Cover) and asked.which != "given":
            assert not (step.covered & ~held[:, None]).any()
            assert not asked.per_head or step.covered.sum(-1).eq(asked.count if step.index else 0).all()
        elif isinstance(asked, LeaveOutHeads):
            assert step.left_out.sum() == (3 if step.index else 0)


@pytest.mark.parametrize("asked", INTERVENTIONS)
def test_removed_heads_are_neither_covered_nor_left_out_twice(asked):
    """A cut model and its zeroed twin: choices are made among the heads that exist, under their own numbers."""
    smaller, zeroed = uneven_twins("llama")
    steps = generate(smaller, some_ids(1, 6), DecodeConfig(8, 4, 8), record=True, intervention=asked).steps
    assert not (steps[-1].canvas == MASK).any()
    if isinstance(asked, LeaveOutHeads):
        exist = torch.zeros(3, 4, dtype=torch.bool)
        for layer, widths in enumerate(smaller.model.config.layer_widths):
            for head in widths["kv_heads"]:
                exist[layer, 2 * head : 2 * head + 2] = True
        assert not (steps[1].left_out & ~exist).any()
        assert steps[1].left_out.sum() == 3
    elif asked.per_head and asked.which in ("leading", "given"):
        twin = generate(zeroed, some_ids(1, 6), DecodeConfig(8, 4, 8), intervention=asked)
        assert torch.equal(twin.tokens, steps[-1].canvas)


def test_choices_are_pure_functions_of_the_mass():
    nan = torch.nan
    mass = torch.tensor([[[3.0, 1.0, nan, 2.0], [nan, nan, nan, nan]], [[1.0, 5.0, 0.0, 1.0], [4.0, 4.0, 0.0, 0.0]]])
    generator = torch.Generator().manual_seed(0)
    leading = columns_to_cover(mass, Cover(count=1), generator)
    assert leading.nonzero().tolist() == [[0, 0, 0], [1, 0, 1], [1, 1, 0]]  # of equal ones the lower column
    everywhere = columns_to_cover(mass, Cover(count=1, per_head=False), generator)
    assert everywhere.nonzero()[:, 2].unique().tolist() == [1]  # 10 against 8
    least = columns_to_cover(mass, Cover("least", 1), generator)
    assert least.nonzero().tolist() == [[0, 0, 1], [1, 0, 2], [1, 1, 2]]
    lowest = heads_to_leave_out(mass, LeaveOutHeads("lowest", 2), generator)
    assert lowest.tolist() == [[True, False], [False, True]]  # 0.5 and 0.5 against 5/7; one head does not exist
    assert heads_to_leave_out(mass, LeaveOutHeads("highest", 1), generator).nonzero().tolist() == [[1, 0]]
