"""From answers to training examples: drop repetition, cut at sentence ends, tokenise with 16,384 tokens.

    python -m sinkprune.training.examples build/answers build/tokenizer build/data

An example is prompt + answer + end tokens; the part after the prompt, the canvas, is a multiple of 32 long. An answer is cut at
the last sentence end that fits a canvas of 64, 96, 128 and 160 tokens, so one answer gives up to four examples and the
student learns to fit what it writes to the canvas it is given. Saved as one .npz: ids (n, 192) uint16, and per example the
prompt's length, the answer's end (its first end token) and the total length.
"""

from __future__ import annotations

import argparse
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from sinkprune.training.answers import chat_prompt
from sinkprune.training.base import END_TOKEN_ID

CANVASES = (64, 96, 128, 160)
PROMPT_LIMIT = 32
LENGTH = PROMPT_LIMIT + CANVASES[-1]
CLOSING = (".", "!", "?", '."', '!"', '?"', ".)", ":**")
Example = tuple[list[int], int, int, int]  # ids, prompt length, answer end, total length


def distinct_4grams(ids: list[int]) -> float:
    """Share of the 4-grams that are different; 1 for fewer than five tokens."""
    grams = [tuple(ids[i : i + 4]) for i in range(len(ids) - 3)]
    return len(set(grams)) / len(grams) if len(grams) > 1 else 1.0


def sentence_ends(ids: list[int], closes: np.ndarray, digits: np.ndarray) -> list[int]:
    """Numbers of tokens after which a sentence is complete; the "2." of a list ends none.

    closes, digits: (vocabulary,) bool, True where a token ends a sentence, or is a number.
    """
    return [i + 1 for i, token in enumerate(ids) if closes[token] and not (i and digits[ids[i - 1]])]


def cuts(answer: list[int], finished: bool, ends: list[int]) -> dict[int, int]:
    """Canvas -> number of answer tokens on it (one place is left for the end token); each length once, on its smallest canvas."""
    found: dict[int, int] = {}
    for canvas in CANVASES:
        whole = finished and len(answer) < canvas
        kept = len(answer) if whole else max((end for end in ends if end < canvas), default=0)
        if kept >= (1 if whole else canvas // 2) and kept not in found.values():
            found[canvas] = kept
        if whole:
            break
    return found


def make_examples(prompt: list[int], answer: list[int], finished: bool, ends: list[int]) -> list[Example]:
    if len(prompt) > PROMPT_LIMIT or distinct_4grams(answer) < 0.9:
        return []
    examples = []
    for canvas, kept in cuts(answer, finished, ends).items():
        total = len(prompt) + canvas
        ids = prompt + answer[:kept] + [END_TOKEN_ID] * (LENGTH - len(prompt) - kept)
        examples.append((ids, len(prompt), len(prompt) + kept, total))
    return examples


def closing_and_digit_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[np.ndarray, np.ndarray]:
    texts = [tokenizer.decode([i]).strip() for i in range(len(tokenizer))]
    return np.array([text.endswith(CLOSING) for text in texts]), np.array([text.isdigit() for text in texts])


def read_answers(prompts: Path, base: PreTrainedTokenizerBase) -> tuple[list[str], list[str], list[bool]]:
    """Prompts, answer texts, and whether the teacher ended the answer itself."""
    lines = prompts.read_text().splitlines()
    ids = np.load(prompts.with_suffix(".npz"))["R"]
    ended = (ids == END_TOKEN_ID).any(1)
    lengths = np.where(ended, (ids == END_TOKEN_ID).argmax(1), ids.shape[1])
    texts = base.batch_decode([row[:n].tolist() for row, n in zip(ids, lengths, strict=True)])
    return lines, [text.strip() for text in texts], ended.tolist()


def examples_of_file(job: tuple[Path, Path, Path]) -> list[Example]:
    prompts_file, base_folder, tokenizer_folder = job
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    closes, digits = closing_and_digit_tokens(tokenizer)
    prompts, texts, finished = read_answers(prompts_file, AutoTokenizer.from_pretrained(base_folder))
    prompt_ids = tokenizer([chat_prompt(p) for p in prompts]).input_ids
    answer_ids = tokenizer(texts).input_ids
    made = []
    for prompt, answer, done in zip(prompt_ids, answer_ids, finished, strict=True):
        made += make_examples(prompt, answer, done, sentence_ends(answer, closes, digits))
    return made


def save_examples(examples: list[Example], path: Path) -> None:
    ids, prompt, end, total = zip(*examples, strict=True)
    np.savez(
        path,
        ids=np.array(ids, np.uint16),
        prompt=np.array(prompt, np.int16),
        end=np.array(end, np.int16),
        total=np.array(total, np.int16),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("answers", type=Path)
    parser.add_argument("base", type=Path, help="folder with the base's tokenizer, which the answers are written in")
    parser.add_argument("tokenizer", type=Path, help="folder with the 16k tokenizer")
    parser.add_argument("data", type=Path)
    parser.add_argument("--workers", type=int, default=8)
    args = parser.parse_args()
    args.data.mkdir(parents=True, exist_ok=True)
    files = sorted(args.answers.glob("answers-*.txt"))
    with Pool(args.workers) as pool:
        jobs = [(file, args.base, args.tokenizer) for file in files]
        examples = [example for made in pool.imap(examples_of_file, jobs) for example in made]
    save_examples(examples, args.data / "train.npz")
    print(f"{len(examples)} examples, {sum(e[3] for e in examples) / 1e6:.1f} M tokens")
    if (args.answers / "held-out.txt").exists():
        held_out = examples_of_file((args.answers / "held-out.txt", args.base, args.tokenizer))
        save_examples(held_out, args.data / "held-out.npz")
        print(f"{len(held_out)} held-out examples")


if __name__ == "__main__":
    main()
