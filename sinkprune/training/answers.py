"""The teacher (the base model) writes prompts and answers all of them: sequence-level distillation data.

    python -m sinkprune.training.answers build/base build/answers --minutes 5        # one process per GPU: --part 0/4, 1/4, …

Each prompt is answered twice, after hints to be short that the student does not see: greedily, and drawn at temperature 0.6. So one prompt
does not stand for one text. The repetition penalty is weak: at 1.1 it forbids even "the", and the teacher's own text gets 0.15
nats a token less likely. Every file answers-<part>-<n>.npz holds R (prompts, 112) uint16: ids of the base's tokenizer, 2 = end, 0 after
it; the prompts stand in the same order in answers-<part>-<n>.txt.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerBase

from sinkprune.models.placement import default_device, default_dtype
from sinkprune.training.prompts import draw_stems, held_out_prompts, template_prompts, usable
from sinkprune.training.teacher import END, PAD, continue_texts

ANSWER_TOKENS = 112
TURN = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
TEMPLATE_PROMPTS = 400_000
PROMPT_TOKENS = 24  # that the teacher may add to a stem
HINTS = (
    " Answer in one sentence.",
    " Answer in two short sentences.",
    " Answer in two short sentences.",
    " Answer in three short sentences.",
    " Answer in four short sentences.",
)
HINT = HINTS[1]  # of the held-out and the validation prompts
TEMPERATURE = 0.6
REPETITION_PENALTY = 1.05


def load_teacher(base: Path) -> tuple[LlamaForCausalLM, PreTrainedTokenizerBase]:
    """The base model and its tokenizer, on the first GPU or the CPU."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.pad_token_id = PAD
    device = torch.device(default_device())
    model = AutoModelForCausalLM.from_pretrained(base, dtype=default_dtype(torch.bfloat16, device))
    return model.to(device).eval(), tokenizer


def answer(model, tokenizer, prompts: list[str]) -> np.ndarray:
    """Greedy answers of two sentences, (len(prompts), 112) uint16."""
    return _answer(model, tokenizer, prompts, [HINT] * len(prompts), 0.0)


def answer_twice(model, tokenizer, prompts: list[str]) -> tuple[list[str], np.ndarray]:
    """(every prompt twice, answers (2 x len(prompts), 112) uint16): greedy, then drawn, after random hints."""
    twice = prompts + prompts
    heat = torch.tensor([0.0, TEMPERATURE]).repeat_interleave(len(prompts))
    return twice, _answer(model, tokenizer, twice, random.choices(HINTS, k=len(twice)), heat)


def _answer(model, tokenizer, prompts: list[str], hints: list[str], heat: float | torch.Tensor) -> np.ndarray:
    turns = [TURN.format(prompt + hint) for prompt, hint in zip(prompts, hints, strict=True)]
    heat = heat.to(model.device) if isinstance(heat, torch.Tensor) else heat
    written = continue_texts(model, tokenizer, turns, ANSWER_TOKENS, heat, REPETITION_PENALTY)
    return written.numpy().astype(np.uint16)


def write_prompts(model, tokenizer, stems: list[str]) -> list[str]:
    """The usable ones of the prompts that the teacher makes of `stems`, each once."""
    turns = [f"<|im_start|>user\n{stem}" for stem in stems]
    prompts = {}
    for stem, ids in zip(stems, continue_texts(model, tokenizer, turns, PROMPT_TOKENS, temperature=0.9), strict=True):
        if (ids == END).any():
            prompts[stem + tokenizer.decode(ids[: int((ids == END).int().argmax())])] = None
    return [prompt for prompt in prompts if usable(prompt)]


def batches(model, tokenizer, part: int, parts: int, size: int) -> Iterator[list[str]]:
    """Prompts of templates and prompts of the teacher in turn, until the templates' are used up."""
    templates = template_prompts(TEMPLATE_PROMPTS)[part::parts]
    for number, first in enumerate(range(0, len(templates), size)):
        yield templates[first : first + size]
        own: list[str] = []
        while len(own) < size:  # less than half of what the teacher makes of the stems is usable
            own += write_prompts(model, tokenizer, draw_stems(2 * size, seed=hash((part, number, len(own)))))
        yield own[:size]


def share(text: str) -> tuple[int, int]:
    """(i, n) of "i/n", the share of one of n processes."""
    part, parts = map(int, text.split("/"))
    return part, parts


def save(folder: Path, name: str, prompts: list[str], arrays: dict[str, np.ndarray]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / f"{name}.npz", **arrays)
    (folder / f"{name}.txt").write_text("\n".join(prompts) + "\n")


def save_until(minutes: float, folder: Path, name: str, answered: Iterator[tuple[list[str], dict]]) -> None:
    """Save batches of (prompts, arrays) as NAME-000, NAME-001, … as long as another one is expected to be ready in time."""
    start, count = time.perf_counter(), 0
    for number, (prompts, arrays) in enumerate(answered):
        save(folder, f"{name}-{number:03}", prompts, arrays)
        count, seconds = count + len(prompts), time.perf_counter() - start
        print(f"{name}: {count} answers in {seconds:.0f} s", flush=True)
        if seconds + seconds / (number + 1) > 60 * minutes:
            break


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--part", type=share, default="0/1", help="which share of the prompts: i/n")
    parser.add_argument("--batch", type=int, default=4096, help="prompts at a time")
    args = parser.parse_args()
    part, parts = args.part
    model, tokenizer = load_teacher(args.base)
    torch.manual_seed(part)
    random.seed(part)
    if part == 0:
        save(args.folder, "held-out", held_out_prompts(), {"R": answer(model, tokenizer, held_out_prompts())})
    answered = (
        (prompts, {"R": written})
        for prompts, written in (
            answer_twice(model, tokenizer, asked) for asked in batches(model, tokenizer, part, parts, args.batch)
        )
    )
    save_until(args.minutes, args.folder, f"answers-{part}", answered)


if __name__ == "__main__":
    main()
