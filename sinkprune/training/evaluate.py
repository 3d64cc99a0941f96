"""Measure a trained model on the 64 held-out prompts: relevance, text, likelihood, parallel decoding, sinks.

    python -m sinkprune.training.evaluate build/base build/model      # writes build/model/evaluation.json and answers.json

The teacher's answers to the held-out prompts stand in assets/held-out.jsonl; the judge of relevance is the base (`training.judge`).
Everything is greedy, 96 tokens, blocks of 32. Seconds are measured with the lanes in turn; sinks on every fourth prompt.
Several processes can share the prompts: each `--part i/n` writes its own file, and a last run with `--join` reads the judge's opinion.
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
from sinkprune.lab.relevance import relevance_numbers, text_numbers
from sinkprune.lab.texts import CANVAS, held_out_answers, sentence_ends
from sinkprune.models import LoadedModel, causal_prompt, causal_view, decode_answer, encode_prompt, load_model
from sinkprune.traces.sink_statistics import MEASURES, sink_statistics
from sinkprune.training.answers import load_teacher, share
from sinkprune.training.examples import cuts
from sinkprune.training.judge import every_prompt
from sinkprune.training.prompts import held_out_prompts

PLAIN = DecodeConfig(gen_length=CANVAS, block_length=32, steps=CANVAS)
PARALLEL = DecodeConfig(gen_length=CANVAS, block_length=32, threshold=0.9)
DUAL = DecodeConfig(gen_length=CANVAS, block_length=32, threshold=0.9, cache="dual")
LANES = {"plain": PLAIN, "parallel": PARALLEL, "dual": DUAL}
WATCHED_EVERY = 4  # prompts
MANY_MOVES = 3  # of the leading sink
# What ends an answer. A full stop after a number ends an answer too, though no sentence is cut there.
CLOSING = (".", "!", "?", '."', '!"', '?"', ".)")


def reference_canvases(loaded: LoadedModel, answers: Sequence[dict]) -> list[torch.Tensor]:
    """The answers that fit a 96-token canvas, cut as the training data was, filled with end tokens: (96,) ids each."""
    canvases = []
    for entry in answers:
        ids, ends = sentence_ends(loaded.tokenizer, entry["answer"])
        kept = cuts(ids, entry["finished"], ends).get(CANVAS)
        if kept:
            filled = ids[:kept] + [loaded.spec.eos_token_id] * (CANVAS - kept)
            canvases.append(torch.tensor(filled))
    return canvases


@torch.inference_mode()
def next_token_loss(causal: LoadedModel, prompt_ids: torch.Tensor, canvas: torch.Tensor) -> float:
    end = answer_end(canvas.tolist(), causal.spec.end_token_ids)
    ids = torch.cat([causal_prompt(causal, prompt_ids)[0], canvas[:end]])[None].to(causal.device)
    logits = causal.model(ids[:, :-1], logits_to_keep=end).logits[0]
    return F.cross_entropy(logits.float(), ids[0, -end:]).item()


def cross_entropies(loaded: LoadedModel, causal: LoadedModel, prompt: str) -> list[dict[str, float]]:
    """Nats per token of the teacher's answers to a prompt: masked (mean over five noise levels) and next-token (up to the first end)."""
    prompt_ids = encode_prompt(loaded, prompt)
    return [
        {
            "masked": answer_likelihood(loaded, prompt_ids, canvas, draws=ANSWER_DRAWS).mean,
            "next_token": next_token_loss(causal, prompt_ids, canvas),
        }
        for canvas in reference_canvases(loaded, held_out_answers()[prompt])
    ]


def written(loaded: LoadedModel, prompt: str, config: DecodeConfig) -> dict:
    """One answer, how it was come by, and how likely the model finds it."""
    prompt_ids = encode_prompt(loaded, prompt)
    result = generate(loaded, prompt_ids, config)
    answer = result.tokens[0, prompt_ids.shape[1] :]
    return {
        **text_record(loaded, answer.tolist()),
        "forwards": result.nfe,
        "seconds": result.seconds,
        "nats": answer_likelihood(loaded, prompt_ids, answer).mean,
    }


def written_causally(loaded: LoadedModel, prompt: str) -> dict:
    prompt_ids = causal_prompt(loaded, encode_prompt(loaded, prompt))
    *_, last = autoregress(loaded, prompt_ids, CANVAS)
    return text_record(loaded, last.canvas[0, prompt_ids.shape[1] :].tolist())


def text_record(loaded: LoadedModel, answer: list[int]) -> dict:
    """The text of an answer's ids, its length, whether it ends, and how much of it repeats itself."""
    end, text = answer_end(answer, loaded.spec.end_token_ids), decode_answer(loaded, answer)
    ended = end < len(answer) or answer[-1] in loaded.spec.end_token_ids or text.rstrip().endswith(CLOSING)
    return {"text": text, "tokens": end, "ended": ended, "repeated": repeated_ngrams(answer[:end])}


def measure_part(loaded: LoadedModel, part: int, parts: int) -> dict:
    """Everything about a share of the prompts but what the judge says."""
    everything, causal = held_out_prompts(), causal_view(loaded)
    answers, nats = [], []
    for prompt in everything[part::parts]:
        lanes = {name: written(loaded, prompt, config) for name, config in LANES.items()}
        answers.append({"prompt": prompt, **lanes, "autoregressive": written_causally(loaded, prompt)})
        nats += cross_entropies(loaded, causal, prompt)
    lanes = [
        lane for run in sink_statistics(loaded, everything[::WATCHED_EVERY][part::parts], PARALLEL) for lane in run
    ]
    sinks = [
        {"kind": lane.kind, "layer": lane.layer, **{name: getattr(lane, name) for name in MEASURES}} for lane in lanes
    ]
    dtype = str(loaded.model.dtype).removeprefix("torch.")
    return {"device": device_name(loaded), "dtype": dtype, "answers": answers, "nats": nats, "sinks": sinks}


def device_name(loaded: LoadedModel) -> str:
    if loaded.device.type == "cuda":
        return torch.cuda.get_device_name(loaded.device)
    return f"{torch.get_num_threads()} CPU threads, {platform.machine()}"


def summarise(parts: Sequence[dict], judge, tokenizer) -> dict:
    """All measurements of one model; `judge` and its tokenizer read the answers of every lane."""
    order = {prompt: number for number, prompt in enumerate(held_out_prompts())}
    answers = sorted((answer for part in parts for answer in part["answers"]), key=lambda a: order[a["prompt"]])
    nats, sinks = ([row for part in parts for row in part[name]] for name in ("nats", "sinks"))
    prompts = [answer["prompt"] for answer in answers]
    lanes = {}
    for name in (*LANES, "autoregressive"):
        rows = [answer[name] for answer in answers]
        texts = [row["text"] for row in rows]
        log_p, tokens = every_prompt(judge, tokenizer, prompts, texts)
        lanes[name] = {**relevance_numbers(log_p, tokens), **text_numbers(texts), **lane_numbers(rows)}
    own = {name: torch.tensor([answer[name]["nats"] for answer in answers], dtype=torch.float64) for name in LANES}
    difference = Estimate(own["dual"] - own["plain"])
    return {
        "prompts": len(prompts),
        "device": parts[0]["device"],
        "dtype": parts[0]["dtype"],
        "cross_entropy": {
            "canvases": len(nats),
            **{name: statistics.mean(row[name] for row in nats) for name in ("masked", "next_token")},
        },
        "lanes": lanes,
        "answer_nats_difference": {"mean": difference.mean, "standard_error": difference.standard_error},
        "sinks": {kind: sink_numbers([row for row in sinks if row["kind"] == kind]) for kind in ("dlm", "ar")},
    }


def lane_numbers(rows: Sequence[dict]) -> dict[str, float]:
    """Means and medians over the answers of one lane."""
    medians = {
        name: statistics.median(row[name] for row in rows)
        for name in ("tokens", "forwards", "seconds")
        if name in rows[0]
    }
    nats = {"nats": statistics.mean(row["nats"] for row in rows)} if "nats" in rows[0] else {}
    ends, whole = (
        statistics.mean(row["ended"] for row in rows),
        statistics.mean(row["repeated"] < 0.05 for row in rows),
    )
    return {**medians, **nats, "ends": ends, "repeats_below_5_percent": whole}


def sink_numbers(rows: Sequence[dict]) -> dict:
    """Medians over the prompts: of the mean over all layers, and of each layer (a variance is NaN where no step has a sink)."""

    def medians(chosen: Sequence[dict]) -> dict[str, float]:
        known = {name: [row[name] for row in chosen if row[name] == row[name]] for name in MEASURES}
        return {name: statistics.median(values) if values else float("nan") for name, values in known.items()}

    means = [row for row in rows if row["layer"] is None]
    layers = sorted({row["layer"] for row in rows if row["layer"] is not None})
    return {
        "prompts": len(means),
        **medians(means),
        "lead_moves": statistics.mean(row["moves"] >= MANY_MOVES for row in means),
        "temporal": [row["temporal_variance"] for row in means],
        "layers": [{"layer": layer, **medians([row for row in rows if row["layer"] == layer])} for layer in layers],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", type=Path, help="the judge")
    parser.add_argument("model", type=Path)
    parser.add_argument("--part", type=share, default="0/1", help="which share of the prompts: i/n")
    parser.add_argument("--join", type=int, metavar="N", help="read the N parts that were written before")
    args = parser.parse_args()
    files = [args.model / f"evaluation-{number}.json" for number in range(args.join or args.part[1])]
    if not args.join:
        part = measure_part(load_model(str(args.model)), *args.part)
        files[args.part[0]].write_text(json.dumps(part, ensure_ascii=False))
    if args.join or args.part[1] == 1:
        parts = [json.loads(file.read_text()) for file in files]
        result = summarise(parts, *load_teacher(args.base))
        answers = [answer for part in parts for answer in part["answers"]]
        for name, content in (("evaluation", result), ("answers", answers)):
            (args.model / f"{name}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        print(json.dumps(result, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
