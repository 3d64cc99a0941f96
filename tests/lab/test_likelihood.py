import dataclasses
import itertools
import math

import pytest
import torch

from sinkprune.lab.intervals import Interval
from sinkprune.lab.likelihood import (
    Estimate,
    LikelihoodConfig,
    answer_likelihood,
    masked_likelihood,
    paired_difference,
)

TEXT = torch.tensor([5, 9, 4, 12, 7])


def exact_nats(loaded, text: torch.Tensor, start: int) -> float:
    """LLaDA's bound by enumeration: mean over k of the mean over all masks of k tokens of (n/k) sum of cross-entropies, per token."""
    length = len(text) - start
    total = 0.0
    for count in range(1, length + 1):
        masks = list(itertools.combinations(range(start, len(text)), count))
        for positions in masks:
            canvas = text.clone()
            canvas[list(positions)] = loaded.spec.mask_token_id
            logits = loaded.model(canvas[None]).logits[0]
            if loaded.spec.shift_logits:
                logits = torch.cat([logits[:1], logits[:-1]])
            losses = torch.nn.functional.cross_entropy(logits, text, reduction="none")[list(positions)]
            total += losses.sum().item() * length / count / len(masks) / length
    return total / length


@pytest.mark.parametrize("shift_logits", [False, True])
@pytest.mark.parametrize("start", [0, 2])
def test_likelihood_converges_to_the_enumerated_bound(make_model, shift_logits, start):
    loaded = make_model(shift_logits=shift_logits)
    exact = exact_nats(loaded, TEXT, start)
    estimate = masked_likelihood(loaded, [TEXT] * 20, LikelihoodConfig(patterns=100, batch_size=100), [start] * 20)
    assert estimate.mean == pytest.approx(exact, abs=4 * estimate.standard_error)
    assert estimate.standard_error < 0.05 * exact
    assert estimate.bits == pytest.approx(estimate.mean / math.log(2))


def test_one_token_is_exact(loaded):
    """A text of one token has one mask: its cross-entropy behind a MASK."""
    logits = loaded.model(torch.tensor([[loaded.spec.mask_token_id]])).logits[0, 0]
    expected = -logits.log_softmax(-1)[9].item()
    assert masked_likelihood(loaded, [torch.tensor([9])], LikelihoodConfig(patterns=3)).mean == pytest.approx(
        expected, abs=1e-5
    )


def test_batches_and_company_change_nothing(loaded):
    """Masks depend on the seed and the place of a text alone."""
    texts = [TEXT, TEXT.flip(0), TEXT[:3]]
    whole = masked_likelihood(loaded, texts, LikelihoodConfig(patterns=6, batch_size=6))
    small = masked_likelihood(loaded, texts[:2], LikelihoodConfig(patterns=6, batch_size=4))
    assert torch.allclose(whole.values[:2], small.values, atol=1e-6)
    other = masked_likelihood(loaded, texts, LikelihoodConfig(patterns=6, seed=1))
    assert not torch.allclose(whole.values, other.values)


def test_models_compared_see_the_same_masks(loaded):
    """Against itself the paired difference is zero, whatever the masks."""
    config = LikelihoodConfig(patterns=4, seed=3)
    first = masked_likelihood(loaded, [TEXT, TEXT[1:]], config)
    difference = paired_difference(first, masked_likelihood(loaded, [TEXT, TEXT[1:]], config))
    assert difference == Interval(0, 0, 0)


def test_answer_likelihood_at_full_mask_is_the_cross_entropy_of_the_whole_answer(loaded):
    prompt, answer = TEXT[None, :2], TEXT[2:]
    canvas = torch.cat([prompt[0], torch.full((3,), loaded.spec.mask_token_id)])
    expected = torch.nn.functional.cross_entropy(loaded.model(canvas[None]).logits[0, 2:], answer).item()
    assert answer_likelihood(loaded, prompt, answer, levels=(1.0,)).mean == pytest.approx(expected, abs=1e-5)


def test_answer_likelihood_masks_at_least_one_and_is_seeded(loaded):
    prompt, answer = TEXT[None, :2], TEXT[None, 2:]
    first = answer_likelihood(loaded, prompt, answer, seed=5, draws=3)
    again = answer_likelihood(loaded, prompt, answer, seed=5, draws=3)
    assert first.values.shape == (3,)
    assert torch.equal(first.values, again.values)
    assert torch.isfinite(first.values).all()


def guided_nats(loaded, prompt, answer, scale: float) -> float:
    """The whole answer masked, guidance written out: cross-entropy per token of both forwards' logits, every one of them kept."""
    masks = torch.full((len(answer),), loaded.spec.mask_token_id)
    bare = torch.full((len(prompt) + len(answer),), loaded.spec.mask_token_id)
    with_text, without = (loaded.model(ids[None]).logits[0] for ids in (torch.cat([prompt, masks]), bare))
    logits = without + (scale + 1) * (with_text - without)
    if loaded.spec.shift_logits:
        logits = torch.cat([logits[:1], logits[:-1]])
    return torch.nn.functional.cross_entropy(logits[len(prompt) :], answer).item()


@pytest.mark.parametrize("shift_logits", [False, True])
@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_guidance_counts_in_the_likelihood(make_model, shift_logits, scale):
    loaded, prompt, answer = make_model(shift_logits=shift_logits), TEXT[:2], TEXT[2:]
    expected = guided_nats(loaded, prompt, answer, scale)
    found = answer_likelihood(loaded, prompt[None], answer, levels=(1.0,), cfg_scale=scale)
    assert found.mean == pytest.approx(expected, abs=1e-5)
    one_token = masked_likelihood(loaded, [TEXT[:3]], LikelihoodConfig(patterns=2, cfg_scale=scale), [2])
    assert one_token.mean == pytest.approx(guided_nats(loaded, prompt, TEXT[2:3], scale), abs=1e-5)


def test_guidance_without_given_text_changes_nothing(loaded):
    plain = masked_likelihood(loaded, [TEXT], LikelihoodConfig(patterns=4))
    guided = masked_likelihood(loaded, [TEXT], LikelihoodConfig(patterns=4, cfg_scale=2.0))
    assert torch.equal(plain.values, guided.values)


def test_paired_difference_golden():
    """Differences 1, 2, 3: mean 2, standard error 1/sqrt(3), t(0.975, 2) = 4.3027."""
    first = Estimate(torch.zeros(3, dtype=torch.float64))
    difference = paired_difference(first, Estimate(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)))
    assert difference.mean == pytest.approx(2)
    assert difference.high - difference.mean == pytest.approx(4.30265 / math.sqrt(3), abs=1e-3)
    assert difference.mean - difference.low == pytest.approx(4.30265 / math.sqrt(3), abs=1e-3)


def test_bad_input_is_refused(loaded):
    with pytest.raises(ValueError, match="at least one text"):
        masked_likelihood(loaded, [])
    with pytest.raises(ValueError, match="text 2 has no token"):
        masked_likelihood(loaded, [TEXT, TEXT], prompt_lengths=[0, 5])
    with pytest.raises(ValueError, match="answer is empty"):
        answer_likelihood(loaded, TEXT[None], TEXT[:0])
    with pytest.raises(ValueError, match="same texts"):
        paired_difference(Estimate(torch.zeros(2)), Estimate(torch.zeros(3)))
    with pytest.raises(ValueError, match="at least 2 texts"):
        paired_difference(Estimate(torch.zeros(1)), Estimate(torch.zeros(1)))
    with pytest.raises(ValueError, match="at least 1 mask pattern"):
        LikelihoodConfig(patterns=0)
    with pytest.raises(ValueError, match="cfg_scale"):
        LikelihoodConfig(cfg_scale=-1.0)
    with pytest.raises(ValueError, match="cfg_scale"):
        answer_likelihood(loaded, TEXT[None, :2], TEXT[2:], cfg_scale=99.0)


def test_a_text_longer_than_one_chunk_of_the_head(loaded):
    """More masked positions than the head takes at once."""
    text = torch.randint(4, 60, (300,), generator=torch.Generator().manual_seed(0))
    config = LikelihoodConfig(patterns=12, batch_size=12)
    whole = masked_likelihood(loaded, [text], config)
    piecewise = masked_likelihood(loaded, [text], dataclasses.replace(config, batch_size=1))
    assert torch.allclose(whole.values, piecewise.values, atol=1e-5)
