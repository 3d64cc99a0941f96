"""The judge: the base model, causal, reads answers after prompts in its own chat format, without a hint to be short."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

from sinkprune.training.answers import TURN

ROWS = {"cuda": 256, "cpu": 16}  # read at a time


@torch.inference_mode()
def log_likelihoods(model: LlamaForCausalLM, prompts: Sequence[list[int]], answers: Sequence[list[int]]) -> Tensor:
    """(R,) float64: log p(answers[i] | prompts[i]), summed over the answer's tokens; 0 for an empty answer."""
    sums = torch.zeros(len(prompts), dtype=torch.float64)
    by_length = sorted(range(len(prompts)), key=lambda i: len(prompts[i]) + len(answers[i]))
    for start in range(0, len(by_length), rows := ROWS[model.device.type]):
        chosen = by_length[start : start + rows]
        ids = pad_sequence([torch.tensor([*prompts[i], *answers[i]]) for i in chosen], batch_first=True)
        begins = torch.tensor([len(prompts[i]) for i in chosen])
        ends = begins + torch.tensor([len(answers[i]) for i in chosen])
        place = torch.arange(ids.shape[1] - 1)  # predicts the token after it; the padding on the right is never seen
        counted = (place >= begins[:, None] - 1) & (place < ends[:, None] - 1)
        hidden = model.model(ids[:, :-1].to(model.device), use_cache=False).last_hidden_state
        target = ids[:, 1:][counted].to(model.device)
        nats = F.cross_entropy(model.lm_head(hidden[counted.to(model.device)]).float(), target, reduction="none")
        each = torch.zeros(counted.shape, dtype=torch.float64)
        each[counted] = nats.double().cpu()
        sums[torch.tensor(chosen)] = -each.sum(1)
    return sums


def every_prompt(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], answers: Sequence[str]
) -> tuple[Tensor, Tensor]:
    """(log_p (A, P), tokens (A,)): the log-likelihood of every answer after every prompt, and each answer's length."""
    turns = [tokenizer(TURN.format(prompt), add_special_tokens=False).input_ids for prompt in prompts]
    ids = [tokenizer(answer, add_special_tokens=False).input_ids for answer in answers]
    pairs = [(turn, answer) for answer in ids for turn in turns]
    log_p = log_likelihoods(model, *zip(*pairs, strict=True)) if pairs else torch.zeros(0)
    return log_p.view(len(answers), len(prompts)), torch.tensor([len(answer) for answer in ids])
