"""The teacher (the base model) answers our prompts: sequence-level distillation data.

    python -m sinkprune.training.answers build/base build/answers --minutes 5        # one process per GPU: --part 0/2, 1/2

A low temperature and a repetition penalty make answers of low entropy, which is what a student that writes many tokens at
once can learn. Every file answers-<part>-<n>.npz holds R (prompts, 160) uint16: ids of the base's own tokenizer, 2 = end,
0 after it; the prompts stand in the same order in answers-<part>-<n>.txt.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from sinkprune.training.prompts import held_out_prompts, training_prompts

ANSWER_TOKENS = 160
HELD_OUT_COPIES = 9  # sampled answers for each held-out prompt
# Appended to a share of the prompts for the teacher only: answers that end, in plain words.
HINTS = ("", " Answer in three short sentences.", " Use simple words and short sentences.")


def chat_prompt(prompt: str) -> str:
    return f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"


@torch.inference_mode()
def answer(model, tokenizer, prompts: list[str], temperature: float) -> np.ndarray:
    """Sampled answers, (len(prompts), 160) uint16; prompts are padded on the left."""
    tokenizer.padding_side = "left"
    hinted = [chat_prompt(p + HINTS[i % len(HINTS)]) for i, p in enumerate(prompts)]
    batch = tokenizer(hinted, return_tensors="pt", padding=True).to(model.device)
    out = model.generate(
        **batch,
        do_sample=True,
        temperature=temperature,
        top_k=20,
        repetition_penalty=1.1,
        max_new_tokens=ANSWER_TOKENS,
        eos_token_id=2,
        pad_token_id=0,
    )[:, batch.input_ids.shape[1] :]
    answers = np.zeros((len(prompts), ANSWER_TOKENS), np.uint16)
    answers[:, : out.shape[1]] = out.cpu().numpy()
    return answers


def save(folder: Path, name: str, prompts: list[str], answers: np.ndarray) -> None:
    np.savez_compressed(folder / f"{name}.npz", R=answers)
    (folder / f"{name}.txt").write_text("\n".join(prompts) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--part", default="0/1", help="which share of the prompts: i/n")
    parser.add_argument("--prompts", type=int, default=400_000)
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--temperature", type=float, default=0.2)
    args = parser.parse_args()
    part, parts = map(int, args.part.split("/"))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = AutoTokenizer.from_pretrained(args.base)
    tokenizer.pad_token_id = 0
    model = AutoModelForCausalLM.from_pretrained(args.base, dtype=torch.bfloat16).to(device).eval()
    args.folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(part)
    if part == 0:
        held_out = [p for p in held_out_prompts() for _ in range(HELD_OUT_COPIES)]
        save(args.folder, "held-out", held_out, answer(model, tokenizer, held_out, args.temperature))
    prompts = training_prompts(args.prompts)[part::parts]
    start = time.perf_counter()
    for number, first in enumerate(range(0, len(prompts), args.batch)):
        batch = prompts[first : first + args.batch]
        save(args.folder, f"answers-{part}-{number:03}", batch, answer(model, tokenizer, batch, args.temperature))
        seconds = time.perf_counter() - start
        print(f"part {part}: {first + len(batch)} answers in {seconds:.0f} s", flush=True)
        if seconds + seconds / (number + 1) > 60 * args.minutes:
            break


if __name__ == "__main__":
    main()
