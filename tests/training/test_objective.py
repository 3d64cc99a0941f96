"""What is masked, what counts, and that both losses are what they claim."""

import pytest
import torch
import torch.nn.functional as F

from sinkprune.training.base import BEGIN_TOKEN_ID, MASK_TOKEN_ID
from sinkprune.training.batches import Batch
from sinkprune.training.objective import (
    BLOCK,
    MIN_T,
    Objective,
    Shares,
    denoising_batch,
    guided_log_probs,
    stratified_times,
)
from tests.tiny_models import make_tiny


def batch_of(rows=64, prompt=8, canvas=64, padding=16, vocabulary=60):
    torch.manual_seed(0)
    length = prompt + canvas + padding
    ids = torch.randint(10, vocabulary, (rows, length))
    return Batch(
        ids, torch.full((rows,), prompt), torch.full((rows,), prompt + 40), torch.full((rows,), prompt + canvas)
    )


def test_noise_levels_come_one_from_each_stratum():
    t = stratified_times(50, torch.Generator().manual_seed(0)).sort().values
    expected = MIN_T + (1 - MIN_T) * torch.arange(50) / 50
    assert torch.all(t >= expected)
    assert torch.all(t <= expected + (1 - MIN_T) / 50 + 1e-6)


@pytest.mark.parametrize(
    ("shares", "first", "last"),
    [(Shares(whole=1.0, block=0.0), 0, 72), (Shares(whole=0.0, block=0.0), 8, 72)],
)
def test_rows_are_masked_where_they_may_be(shares, first, last):
    batch = batch_of()
    noised, masked, weight, _ = denoising_batch(batch, shares, torch.Generator().manual_seed(0))
    columns = masked.any(0).nonzero()[:, 0]
    assert columns.min() == first
    assert columns.max() == last - 1
    assert torch.equal(noised == MASK_TOKEN_ID, masked)
    assert torch.equal(noised[~masked], batch.ids[~masked])
    assert torch.all(weight >= 1 / (last - first) - 1e-6)


def test_block_rows_hide_what_comes_after_the_block_without_counting_it():
    batch = batch_of()
    noised, masked, _, _ = denoising_batch(batch, Shares(whole=0.0, block=1.0), torch.Generator().manual_seed(0))
    for row, counted in zip(noised, masked, strict=True):
        columns = counted.nonzero()[:, 0]
        if not len(columns):
            continue
        block = int(columns[0] - 8) // BLOCK
        start, end = 8 + block * BLOCK, 8 + (block + 1) * BLOCK
        assert columns.max() < end
        assert torch.all(row[end:72] == MASK_TOKEN_ID)
        assert torch.all(row[72:] != MASK_TOKEN_ID)
        assert torch.all(row[:start] != MASK_TOKEN_ID)


def test_the_expected_weight_of_a_token_is_one_over_the_maskable_tokens():
    batch = batch_of(rows=4000, padding=0)
    _, masked, weight, _ = denoising_batch(batch, Shares(whole=0.0, block=0.0), torch.Generator().manual_seed(0))
    assert (masked * weight[:, None]).sum(1).mean().item() == pytest.approx(1.0, rel=0.02)


def test_the_next_token_loss_stops_at_the_first_end_token():
    loaded = make_tiny("llama", vocab_size=64)
    batch = batch_of(rows=3)
    loss = Objective(loaded.model).next_token(batch)
    seen = F.pad(batch.ids[:, :48], (1, 0), value=BEGIN_TOKEN_ID)
    logits = loaded.model(seen, is_causal=True).logits
    expected = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), batch.ids[:, :49].reshape(-1))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_padding_does_not_change_the_denoising_loss():
    loaded = make_tiny("llama", vocab_size=64)
    batch = batch_of(rows=4)
    other = Batch(batch.ids.clone(), batch.prompt, batch.end, batch.total)
    other.ids[:, 72:] = 11
    losses = [
        Objective(loaded.model).masked(b, Shares(whole=0.5), torch.Generator().manual_seed(3)) for b in (batch, other)
    ]
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-5)


def test_certainty_adds_the_entropy_of_right_predictions_in_block_rows_but_not_of_end_tokens():
    loaded = make_tiny("llama", vocab_size=64)
    batch, block = batch_of(rows=6), Shares(whole=0.0, block=1.0)
    noised, masked, weight, _ = denoising_batch(batch, block, torch.Generator().manual_seed(1))
    logits = loaded.model(noised, attention_mask=batch.real, is_causal=False).logits
    best = logits.argmax(-1)
    right = masked & (torch.arange(88) % 2 == 0)
    batch.ids[right] = best[right]
    ends = right & (best == best[right].mode().values)  # take the token it is most often right about for the end token
    right &= masked & (batch.ids == best)
    entropy = torch.distributions.Categorical(logits=logits).entropy()
    assert 0 < ends.sum() < right.sum()

    def added(shares: Shares) -> float:
        plain, forced = (
            Objective(loaded.model, certainty).masked(batch, shares, torch.Generator().manual_seed(1)).item()
            for certainty in (0.0, 2.0)
        )
        return forced - plain

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sinkprune.training.objective.END_TOKEN_ID", int(best[right].mode().values))
        expected = 2 * (entropy * (right & ~ends) * weight[:, None]).sum().item() / 6
        assert added(block) == pytest.approx(expected, rel=1e-4, abs=1e-6)
        assert added(Shares(whole=1.0, block=0.0)) == 0


def test_the_guided_distribution_leans_away_from_what_the_model_says_without_the_prompt():
    loaded = make_tiny("llama", vocab_size=64)
    batch = batch_of(rows=3)
    noised, masked, _, _ = denoising_batch(batch, Shares(whole=0.0), torch.Generator().manual_seed(2))
    unasked = noised.clone()
    unasked[:, :8] = MASK_TOKEN_ID
    asked, free = (
        loaded.model(ids, attention_mask=batch.real, is_causal=False).logits[masked] for ids in (noised, unasked)
    )
    log_p = guided_log_probs(loaded.model, noised, masked, batch, 0.5)
    assert torch.allclose(log_p, (1.5 * asked - 0.5 * free).log_softmax(-1), atol=1e-4)
    plain = guided_log_probs(loaded.model, noised, masked, batch, 0.0)
    assert torch.allclose(plain, asked.log_softmax(-1), atol=1e-4)


def test_a_guided_batch_is_learned_best_by_the_guided_distribution_itself():
    guide, batch, losses = make_tiny("llama", vocab_size=64).model, batch_of(rows=6), []
    for student in (guide, make_tiny("llama", seed=1, vocab_size=64).model):
        objective = Objective(student, guidance=0.0)
        objective.set_guide(guide)
        losses.append(objective("guided", batch, Shares(whole=0.5), torch.Generator().manual_seed(5)))
    assert losses[0] < losses[1]


def test_the_guide_is_no_part_of_what_is_trained():
    objective = Objective(make_tiny("llama", seed=1).model)
    before = len(list(objective.parameters()))
    objective.set_guide(make_tiny("llama").model)
    assert len(list(objective.parameters())) == before
