"""What the model writes under a change of attention, scored by the untouched model. A whole generation each, so of few prompts."""

from __future__ import annotations

import torch

from sinkprune.decoding.autoregressive import autoregress
from sinkprune.decoding.denoising import generate
from sinkprune.lab.likelihood import answer_likelihood
from sinkprune.lab.overlap import agreement
from sinkprune.models.direction import causal_prompt
from sinkprune.recorded.what_if_cells import Subject, nats_of, sparse_config, until_end
from sinkprune.recorded.what_if_settings import DENSE, Change, Cut, text_changes

TEXT_LEVELS = (0.25, 0.5, 0.75)


def measure_texts(subject: Subject) -> dict[str, dict]:
    """ "dlm dense", "ar dense" and each change, in words -> {"nats", "agreement", "forwards"} of what is then written.

    nats: of that text under the untouched model of its lane; agreement: with the lane's dense text.
    """
    dense = {"dlm": _write(subject, "dlm", None), "ar": _write(subject, "ar", None)}
    written = {f"{lane} {DENSE}": (lane, *found) for lane, found in dense.items()}
    for change in text_changes():
        lane = "dlm" if isinstance(change, Cut) else change.lane
        kind = "cache" if isinstance(change, Cut) else lane
        written[f"{kind} {change.key}"] = (lane, *_write(subject, lane, change))
    ends = subject.loaded.spec.end_token_ids
    return {
        key: {
            "nats": (_text_nats if lane == "dlm" else _causal_text_nats)(subject, torch.tensor(tokens)),
            "agreement": agreement(tokens, dense[lane][0], ends),
            "forwards": forwards,
        }
        for key, (lane, tokens, forwards) in written.items()
    }


def _write(subject: Subject, lane: str, change: Change | Cut | None) -> tuple[list[int], int]:
    """(token ids up to the end token, forwards)."""
    asked = change.asked if isinstance(change, Change) else None
    if lane == "ar":
        prompt = causal_prompt(subject.loaded, subject.prompt)
        *_, last = autoregress(subject.loaded, prompt, subject.protocol.scored, intervention=asked)
        return until_end(subject.loaded, last.canvas[0, prompt.shape[1] :].tolist()), last.nfe
    config = sparse_config(subject, change) if isinstance(change, Cut) else subject.protocol.decoding
    found = generate(subject.loaded, subject.prompt, config, intervention=asked)
    return until_end(subject.loaded, found.tokens[0, subject.prompt.shape[1] :].tolist()), found.nfe


def _text_nats(subject: Subject, text: torch.Tensor) -> float:
    return answer_likelihood(subject.loaded, subject.prompt, text, TEXT_LEVELS, seed=subject.number).mean


@torch.inference_mode()
def _causal_text_nats(subject: Subject, text: torch.Tensor) -> float:
    prompt = causal_prompt(subject.loaded, subject.prompt)
    logits = subject.causal.model(
        torch.cat([prompt, text[None]], dim=1)[:, :-1], use_cache=False, logits_to_keep=len(text)
    ).logits
    return nats_of(logits, text)[0]
