"""Measure a trained model on the 64 held-out prompts: likelihood, text, parallel decoding, sinks.

    python -m sinkprune.training.evaluate build/model [--prompts 64]      # writes build/model/evaluation.json

The teacher's answers to the held-out prompts stand in assets/held-out.jsonl. Everything is greedy, 96 tokens, blocks of 32.
Speeds are measured after a warm-up, the two sides in turn; sinks on some of the prompts only.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F

from sinkprune.decoding import DecodeConfig, autoregress, generate
from sinkprune.lab.likelihood import ANSWER_DRAWS, Estimate, answer_likelihood
from sinkprune.lab.overlap import answer_end, repeated_ngrams
from sinkprune.lab.texts import CANVAS, held_out_answers
from sinkprune.models import LoadedModel, causal_prompt, causal_view, decode_answer, encode_prompt, load_model
from sinkprune.traces.sink_statistics import layer_medians, sink_statistics, summary
from sinkprune.training.examples import CLOSING, closing_and_digit_tokens, cuts, sentence_ends

PLAIN = DecodeConfig(gen_length=CANVAS, block_length=32, steps=CANVAS)
PARALLEL = DecodeConfig(gen_length=CANVAS, block_length=32, threshold=0.9)
DUAL = DecodeConfig(gen_length=CANVAS, block_length=32, threshold=0.9, cache="dual")
WATCHED_PROMPTS = 8


def reference_canvases(loaded: LoadedModel, answers: Sequence[dict]) -> list[torch.Tensor]:
    """The answers that fit a 96-token canvas, cut as the training data was, filled with end tokens: (96,) ids each."""
    closes, digits = closing_and_digit_tokens(loaded.tokenizer)
    canvases = []
    for entry in answers:
        ids = loaded.tokenizer(entry["answer"], add_special_tokens=False).input_ids
        kept = cuts(ids, entry["finished"], sentence_ends(ids, closes, digits)).get(CANVAS)
        if kept:
            filled = ids[:kept] + [loaded.spec.eos_token_id] * (CANVAS - kept)
            canvases.append(torch.tensor(filled))
    return canvases


def cross_entropies(loaded: LoadedModel, prompts: Sequence[str]) -> dict[str, float]:
    """Nats per token of the teacher's answers: masked (mean over five noise levels) and next-token (up to the first end token)."""
    answers, causal = held_out_answers(), causal_view(loaded)
    masked, next_token = [], []
    for prompt in prompts:
        prompt_ids = encode_prompt(loaded, prompt)
        for canvas in reference_canvases(loaded, answers[prompt]):
            masked.append(answer_likelihood(loaded, prompt_ids, canvas, draws=ANSWER_DRAWS).mean)
            next_token.append(next_token_loss(causal, prompt_ids, canvas))
    return {
        "canvases": len(masked),
        "masked": statistics.mean(masked),
        "next_token": statistics.mean(next_token),
    }


@torch.inference_mode()
def next_token_loss(causal: LoadedModel, prompt_ids: torch.Tensor, canvas: torch.Tensor) -> float:
    end = answer_end(canvas.tolist(), causal.spec.end_token_ids)
    ids = torch.cat([causal_prompt(causal, prompt_ids)[0], canvas[:end]])[None].to(causal.device)
    logits = causal.model(ids[:, :-1], logits_to_keep=end).logits[0]
    return F.cross_entropy(logits.float(), ids[0, -end:]).item()


def text_quality(loaded: LoadedModel, prompts: Sequence[str]) -> dict:
    """Forwards, repetition and endings of threshold decoding without a cache."""
    nfe, lengths, repeated, ended = [], [], [], []
    for prompt in prompts:
        prompt_ids = encode_prompt(loaded, prompt)
        result = generate(loaded, prompt_ids, PARALLEL)
        answer = result.tokens[0, prompt_ids.shape[1] :].tolist()
        end = answer_end(answer, loaded.spec.end_token_ids)
        text = decode_answer(loaded, answer)
        nfe.append(result.nfe)
        lengths.append(end)
        repeated.append(repeated_ngrams(answer[:end]))
        ended.append(end < len(answer) or answer[-1] in loaded.spec.end_token_ids or text.rstrip().endswith(CLOSING))
    return {
        "forwards_median": statistics.median(nfe),
        "answer_tokens_median": statistics.median(lengths),
        "repeats_below_5_percent": statistics.mean(share < 0.05 for share in repeated),
        "ends": statistics.mean(ended),
    }


def decoding_speed(loaded: LoadedModel, prompts: Sequence[str]) -> dict:
    """Plain decoding against dual cache with threshold 0.9: tokens a second, and the likelihood of what each wrote."""
    generate(loaded, encode_prompt(loaded, prompts[0]), DUAL)
    rows = {"plain": [], "dual": []}
    for prompt in prompts:
        prompt_ids = encode_prompt(loaded, prompt)
        for name, config in (("plain", PLAIN), ("dual", DUAL)):
            result = generate(loaded, prompt_ids, config)
            answer = result.tokens[0, prompt_ids.shape[1] :]
            nats = answer_likelihood(loaded, prompt_ids, answer).mean
            rows[name].append((CANVAS / result.seconds, result.nfe, nats))
    medians = {name: [statistics.median(column) for column in zip(*row, strict=True)] for name, row in rows.items()}
    nats = {
        name: Estimate(torch.tensor([row[2] for row in values], dtype=torch.float64)) for name, values in rows.items()
    }
    difference = Estimate(nats["dual"].values - nats["plain"].values)
    return {
        "prompts": len(prompts),
        "tokens_per_second": {name: values[0] for name, values in medians.items()},
        "forwards": {name: values[1] for name, values in medians.items()},
        "answer_nats": {name: estimate.mean for name, estimate in nats.items()},
        "answer_nats_difference": {"mean": difference.mean, "standard_error": difference.standard_error},
        "speed_up": medians["dual"][0] / medians["plain"][0],
    }


def autoregressive_samples(loaded: LoadedModel, prompts: Sequence[str]) -> list[dict]:
    samples = []
    for prompt in prompts:
        prompt_ids = causal_prompt(loaded, encode_prompt(loaded, prompt))
        *_, last = autoregress(loaded, prompt_ids, CANVAS)
        samples.append({"prompt": prompt, "answer": decode_answer(loaded, last.canvas[0, prompt_ids.shape[1] :])})
    return samples


def evaluate(loaded: LoadedModel, count: int) -> dict:
    """All measurements of one model on `count` prompts, spread evenly over the 64."""
    everything = list(held_out_answers())
    prompts = everything[:: max(1, len(everything) // count)][:count]
    watched = prompts[:: max(1, len(prompts) // WATCHED_PROMPTS)][:WATCHED_PROMPTS]
    lanes = [lane for run in sink_statistics(loaded, watched, PARALLEL) for lane in run]
    return {
        "prompts": len(prompts),
        "device": f"{torch.get_num_threads()} CPU threads, {platform.machine()}",
        "dtype": str(loaded.model.dtype).removeprefix("torch."),
        "cross_entropy": cross_entropies(loaded, prompts),
        "text": text_quality(loaded, prompts),
        "speed": decoding_speed(loaded, prompts),
        "sinks": summary(lanes),
        "sinks_by_layer": layer_medians(lanes),
        "autoregressive": autoregressive_samples(loaded, watched[:4]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--prompts", type=int, default=64)
    args = parser.parse_args()
    result = evaluate(load_model(str(args.model)), args.prompts)
    text = json.dumps(result, indent=1, ensure_ascii=False)
    (args.model / "evaluation.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
