"""The states that are learned are those that decoding with the dual cache meets, with the keys and values it has then."""

import pytest
import torch

from sinkprune.decoding import DecodeConfig, denoise
from sinkprune.training.base import MASK_TOKEN_ID
from sinkprune.training.batches import Batch
from sinkprune.training.objective import Objective
from sinkprune.training.own_answers import THRESHOLD, write_canvases
from sinkprune.training.trajectories import STATES, cached_states, soon_weight

PROMPT, CANVAS, BLOCK, PADDING = 5, 12, 4, 3


def written(loaded, seed: int = 0) -> tuple[Batch, torch.Tensor]:
    """What the model wrote after six random prompts, padded, as a batch; and the prompts."""
    prompts = torch.randint(4, 40, (6, PROMPT), generator=torch.Generator().manual_seed(seed))
    canvas, steps = write_canvases(loaded, prompts, length=CANVAS, block=BLOCK)
    ids = torch.nn.functional.pad(torch.cat([prompts, canvas], 1), (0, PADDING), value=9)
    steps = torch.nn.functional.pad(steps, (PROMPT, PADDING))
    ends = torch.tensor([6, 9, 12, 16, 16, 16])
    return Batch(ids, torch.full((6,), PROMPT), ends, torch.full((6,), PROMPT + CANVAS), steps), prompts


def states_of(batch: Batch, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    return cached_states(batch, BLOCK, generator)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_states_and_their_logits_are_those_of_decoding(tiny, seed):
    loaded = tiny("llama", initializer_range=0.7, mask_token_id=MASK_TOKEN_ID)
    batch, prompts = written(loaded)
    states = states_of(batch, seed)
    logits = loaded.model(
        states.ids, attention_mask=states.visible, position_ids=states.position, is_causal=False, use_cache=False
    ).logits
    config = DecodeConfig(gen_length=CANVAS, block_length=BLOCK, threshold=THRESHOLD, cache="dual")
    width = batch.ids.shape[1]
    compared = 0
    for row, prompt in enumerate(prompts):
        steps = list(denoise(loaded, prompt[None], config))
        block = int(states.position[row, width] - PROMPT) // BLOCK
        of_block = [step for step in steps if step.block == block]
        for state in range(1 + STATES):
            place = slice(PROMPT + block * BLOCK, PROMPT + (block + 1) * BLOCK)
            here = place if state == 0 else slice(width + (state - 1) * BLOCK, width + state * BLOCK)
            masked = states.ids[row, here] == MASK_TOKEN_ID
            assert torch.equal(states.weight[row, here] > 0, masked)
            if not masked.any():  # a block that one forward filled has no later state
                continue
            index = next(i for i in range(len(of_block)) if torch.equal(unfilled(of_block, i, place), masked))
            assert torch.equal(states.target[row, here], steps[-1].canvas[0, place])
            confidence = logits[row, here].softmax(-1)
            confidence[:, MASK_TOKEN_ID] = 0
            assert torch.allclose(confidence.amax(-1)[masked], of_block[index].confidence[place][masked], atol=1e-5)
            compared += 1
    assert compared >= 12


def unfilled(steps, index: int, place: slice) -> torch.Tensor:
    """(block,) bool, the places of the block that are MASK before its forward number `index`."""
    return ~torch.isnan(steps[index].confidence[place])


def test_a_block_is_drawn_among_those_that_hold_text(tiny):
    loaded = tiny("llama", initializer_range=0.7, mask_token_id=MASK_TOKEN_ID)
    batch, _ = written(loaded)
    drawn = torch.stack([states_of(batch, seed).position[:, batch.ids.shape[1]] for seed in range(60)])
    assert [sorted(set(column.tolist())) for column in drawn.T[[0, 1, 3]]] == [[5], [5, 9], [5, 9, 13]]


def test_what_comes_soon_counts_more():
    weight = soon_weight(torch.tensor([[-1, 0, 1, 2], [-3, -2, -1, -1]]))
    assert weight[0].tolist() == pytest.approx([0, 1 / 2.44, 0.8 / 2.44, 0.64 / 2.44])
    assert weight[1].tolist() == [0, 0, 0, 0]


def test_the_loss_is_the_weighted_cross_entropy_of_the_states(tiny):
    loaded = tiny("llama", initializer_range=0.7, mask_token_id=MASK_TOKEN_ID)
    batch, _ = written(loaded)
    other = Batch(batch.ids.clone(), batch.prompt, batch.end, batch.total, batch.steps)
    other.ids[:, PROMPT + CANVAS :] = 11  # padding is not seen
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sinkprune.training.objective.BLOCK", BLOCK)
        losses = [Objective(loaded.model).cached(b, torch.Generator().manual_seed(0)).item() for b in (batch, other)]
    states = states_of(batch)
    logits = loaded.model(states.ids, attention_mask=states.visible, position_ids=states.position, is_causal=False)
    nats = -logits.logits.log_softmax(-1).gather(-1, states.target[..., None])[..., 0]
    assert losses[0] == pytest.approx(((nats * states.weight).sum() / states.weight.sum()).item(), rel=1e-5)
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
