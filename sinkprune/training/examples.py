"""From answers to training examples: drop repetition, cut at sentence ends, thin what begins alike.

    python -m sinkprune.training.examples build/base build/data build/answers

An example is prompt (without its final mark) + separator + answer + end tokens. The part after the separator is the canvas: 64, 96 or 128
tokens. A finished answer stands on the smallest canvas that holds the answer. Only half of these answers stand on a larger canvas
too: a model that sees every short answer on large canvases ends early. On smaller canvases, and when the
teacher did not finish, an answer is cut at the last sentence end that fits. An answer of the student is never cut. It stands on the canvas
where it was written, and on the next larger one. Answers that say little are dropped. An answer without a closing mark counts as not
finished. Of the examples whose answers begin with the same four tokens ("In the heart of"), at most one in 200 of all is kept.

Saved as train.npz (the teacher's), held-out.npz and own.npz (the student's), whichever the folders hold answers of. Each holds ids
(n, 160) uint16 and three numbers per example: the prompt's length, the answer's end (its first end token) and the total length. The
student's also hold steps (n, 160) uint8, described in `training.own_answers`. The separator stands as the first of SEPARATORS;
`training.batches` puts another in its place.
"""

from __future__ import annotations

import argparse
import random
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from sinkprune.lab.overlap import distinct_ngrams
from sinkprune.lab.texts import sentence_ends
from sinkprune.models.chat import without_final_mark
from sinkprune.training.base import END_TOKEN_ID, SEPARATORS
from sinkprune.training.prompts import held_out_prompts, shares_a_topic, topic_words

CANVASES = (64, 96, 128)
PROMPT_LIMIT = 32
SHORTEST = 12  # tokens of an answer
OPENING = 4  # tokens
OPENING_SHARE = 0.005  # of the examples, with the same opening, at most
LARGER = 0.5  # of the finished answers stand on a larger canvas too
DISTINCT = 0.98  # of the 4-grams of an answer, at least: what is learned repeats itself less than what is written
SURPRISE = 9.0  # nats, of a token of the student's own answers, at most
OWN = "answers-own"  # what the files of the student's own answers begin with
LENGTH = PROMPT_LIMIT + CANVASES[-1]
Example = tuple[list[int], int, int, int]  # ids, prompt length, answer end, total length


def cuts(answer: list[int], finished: bool, ends: list[int], canvases: tuple[int, ...] = CANVASES) -> dict[int, int]:
    """Canvas -> number of answer tokens on it; one place is left for the end token. A cut must fill half of its canvas."""
    kept = {}
    for canvas in canvases:
        if finished and len(answer) < canvas:
            kept[canvas] = len(answer)
        elif fitting := [end for end in ends if canvas // 2 <= end < canvas]:
            kept[canvas] = fitting[-1]
    return kept


def make_examples(
    prompt: list[int],
    answer: list[int],
    finished: bool,
    ends: list[int],
    allowed: tuple[int, ...] = CANVASES,
    larger_share: float = LARGER,
) -> list[Example]:
    """Each length on its smallest allowed canvas and, that share of them, on a larger canvas, drawn at random."""
    if len(prompt) > PROMPT_LIMIT or len(answer) < SHORTEST or distinct_ngrams(answer) < DISTINCT:
        return []
    finished = finished and len(answer) in ends
    canvases: dict[int, list[int]] = {}
    for canvas, kept in cuts(answer, finished, ends, allowed).items():
        canvases.setdefault(kept, []).append(canvas)
    examples = []
    for kept, (smallest, *larger) in canvases.items():
        for canvas in [smallest, *(random.sample(larger, 1) if larger and random.random() < larger_share else [])]:
            ids = prompt + answer[:kept] + [END_TOKEN_ID] * (LENGTH - len(prompt) - kept)
            examples.append((ids, len(prompt), len(prompt) + kept, len(prompt) + canvas))
    return examples


def until_end(ids: np.ndarray) -> tuple[list[list[int]], np.ndarray]:
    """Each row of ids (R, T) before its first end token, and (R,) bool, whether it has one."""
    ended = (ids == END_TOKEN_ID).any(1)
    lengths = np.where(ended, (ids == END_TOKEN_ID).argmax(1), ids.shape[1])
    return [row[:n].tolist() for row, n in zip(ids, lengths, strict=True)], ended


def read_answers(file: Path, kind: str) -> tuple[list[list[int]], np.ndarray, np.ndarray | None]:
    """Answers, (R,) bool, whether each ended by itself (the student's: and hangs together and fits its prompt), and the student's steps."""
    arrays = np.load(file)
    rows, ended = until_end(arrays["R"])
    if kind != "own":
        return rows, ended, None
    return rows, ended & (arrays["surprise"] <= SURPRISE) & arrays["first"], arrays["steps"]


def placed_steps(examples: list[Example], steps: np.ndarray) -> np.ndarray:
    """(n, 160) uint8: each row of steps (n, canvas) from its example's prompt on; what a larger canvas adds came at once."""
    rows = np.zeros((len(examples), LENGTH), np.uint8)
    for row, (_, prompt, _, _), committed in zip(rows, examples, steps, strict=True):
        row[prompt : prompt + len(committed)] = committed
    return rows


def kind_of(prompts_file: Path) -> str:
    """Which file of examples its answers go into: held-out, own (the student's) or train (the teacher's)."""
    if prompts_file.stem == "held-out":
        return "held-out"
    return "own" if prompts_file.stem.startswith(OWN) else "train"


def examples_of_file(job: tuple[Path, Path]) -> dict[str, np.ndarray]:
    prompts_file, base_folder = job
    tokenizer = AutoTokenizer.from_pretrained(base_folder)
    prompts, kind = prompts_file.read_text().splitlines(), kind_of(prompts_file)
    answers, finished, steps = read_answers(prompts_file.with_suffix(".npz"), kind)
    where = (CANVASES, LARGER) if steps is None else ((steps.shape[1], steps.shape[1] + 32), 1.0)
    topics = [] if kind == "held-out" else [topic_words(prompt) for prompt in held_out_prompts()]
    random.seed(prompts_file.stem)
    made: list[Example] = []
    source: list[int] = []  # the answer that each was made of
    for i, (prompt, answer, done) in enumerate(zip(prompts, answers, finished, strict=True)):
        ids, ends = sentence_ends(tokenizer, tokenizer.decode(answer, clean_up_tokenization_spaces=False))
        if shares_a_topic(prompt, topics) or (kind == "own" and not (done and len(ids) in ends)):
            continue
        if kind == "own":  # kept token by token and whole: each token has its step
            ids, ends = answer, [len(answer)]
        examples = make_examples(framed(tokenizer, prompt), ids, done, ends, *where)
        made += examples
        source += [i] * len(examples)
    own = {} if steps is None else {"steps": placed_steps(made, steps[np.array(source, int)])}
    return as_arrays(made) | own


def framed(tokenizer: PreTrainedTokenizerBase, prompt: str) -> list[int]:
    """The prompt's ids without its final mark, and the separator."""
    return [*tokenizer(without_final_mark(prompt)).input_ids, *tokenizer(SEPARATORS[0]).input_ids]


def as_arrays(examples: list[Example]) -> dict[str, np.ndarray]:
    ids, *lengths = zip(*examples, strict=True) if examples else [()] * 4
    named = dict(zip(("prompt", "end", "total"), lengths, strict=True))
    arrays = {name: np.array(values, np.int16) for name, values in named.items()}
    return {"ids": np.array(ids, np.uint16).reshape(-1, LENGTH)} | arrays


def joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """All examples, each once: the teacher writes some prompts twice, and answers them alike."""
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    first = {
        (row.tobytes(), total): i for i, (row, total) in enumerate(zip(arrays["ids"], arrays["total"], strict=True))
    }
    kept = np.array(sorted(first.values()), int)
    return {name: values[kept] for name, values in arrays.items()}


def thinned(arrays: dict[str, np.ndarray], share: float = OPENING_SHARE) -> dict[str, np.ndarray]:
    """The examples without those whose opening stood in `share` of them before."""
    places = arrays["prompt"].astype(int)[:, None] + np.arange(OPENING)
    openings = np.take_along_axis(arrays["ids"], places, 1)  # (n, OPENING) uint16
    key = np.ascontiguousarray(openings).view(np.uint64)[:, 0]
    _, group = np.unique(key, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], group[order])
    number = np.empty(len(group), int)
    number[order] = np.arange(len(group)) - starts  # how many stood before with the same opening
    kept = number < max(1, share * len(group))
    return {name: values[kept] for name, values in arrays.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", type=Path, help="folder with the base's tokenizer")
    parser.add_argument("data", type=Path)
    parser.add_argument("answers", type=Path, nargs="+", help="folders of answers, the teacher's or the student's")
    parser.add_argument("--workers", type=int, default=8)
    args = parser.parse_args()
    args.data.mkdir(parents=True, exist_ok=True)
    jobs: dict[str, list[tuple[Path, Path]]] = {}
    for folder in args.answers:
        for file in [*sorted(folder.glob("answers-*.txt")), *folder.glob("held-out.txt")]:
            jobs.setdefault(kind_of(file), []).append((file, args.base))
    with Pool(args.workers) as pool:
        for kind, files in jobs.items():
            examples = joined(pool.map(examples_of_file, files, chunksize=1))
            examples = thinned(examples) if kind == "train" else examples
            np.savez(args.data / f"{kind}.npz", **examples)
            total, text = examples["total"].sum() / 1e6, (examples["end"] - examples["prompt"]).sum() / 1e6
            print(
                f"{kind}: {len(examples['ids'])} examples, {total:.1f} M tokens, {text:.1f} M of them text of answers"
            )


if __name__ == "__main__":
    main()
