"""Measure a model: how likely it finds texts (Monte Carlo likelihood), or tasks of lm-evaluation-harness.

Without --tasks: bits per token of the held-out answers to their prompts, or of a text file. With --against, the second model is measured
on the same masks, so that the difference is paired.

examples:
  python -m sinkprune evaluate
  python -m sinkprune evaluate --model pruned --against bundled --text book.txt
  pip install lm_eval && python -m sinkprune evaluate --model pruned --tasks arc_easy,gsm8k --limit 100
  accelerate launch --num_processes 4 -m sinkprune evaluate --model llada-8b-base --tasks arc_easy
"""

from __future__ import annotations

import argparse
import math

from tqdm import tqdm

from sinkprune.commands.options import (
    add_decoding,
    add_model,
    add_seed,
    at_least,
    decoding_of,
    loaded_model,
    output_file,
)
from sinkprune.lab.likelihood import LikelihoodConfig, check_texts, masked_likelihood, paired_difference
from sinkprune.lab.texts import file_texts, held_out_texts
from sinkprune.models import LoadedModel, load_model
from sinkprune.models.writing import json_text, write_whole


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to measure, on what."""
    add_model(parser)
    parser.add_argument("--patterns", type=int, default=16, metavar="N", help="masks per text (default: %(default)s)")
    parser.add_argument("--output", type=output_file, metavar="FILE", help="the results as JSON")
    add_seed(parser)
    texts = parser.add_argument_group("likelihood")
    texts.add_argument("--against", metavar="NAME", help="another model, measured on the same texts and masks")
    texts.add_argument("--text", metavar="FILE", help="a UTF-8 text file instead of the held-out answers")
    texts.add_argument(
        "--length", type=at_least(1), default=128, metavar="N", help="tokens a sequence (default: %(default)s)"
    )
    texts.add_argument(
        "--sequences",
        type=at_least(1),
        default=64,
        metavar="N",
        help="sequences, spread over the file (default: %(default)s)",
    )
    tasks = parser.add_argument_group("lm-evaluation-harness (pip install lm_eval)")
    tasks.add_argument("--tasks", metavar="A,B", help="tasks, separated by commas")
    tasks.add_argument("--limit", type=at_least(1), metavar="N", help="documents of each task (default: all)")
    tasks.add_argument(
        "--fewshot", type=at_least(0), metavar="N", help="examples before each question (default: the task's)"
    )
    tasks.add_argument("--chat", action="store_true", help="questions in the model's chat template")
    tasks.add_argument("--task-folder", metavar="FOLDER", help="tasks of your own, as the harness's YAML files")
    add_decoding(parser)


def run(options: argparse.Namespace) -> None:
    """Print the results; write them where --output says."""
    results = _run_tasks(options) if options.tasks else _run_likelihood(options)
    if options.output and results is not None:
        write_whole(options.output, (json_text(results, indent=1, default=str) + "\n").encode())


def _run_likelihood(options: argparse.Namespace) -> dict:
    config = LikelihoodConfig(options.patterns, seed=options.seed)
    measured = {options.model: loaded_model(options)}
    texts = {options.model: _texts(measured[options.model], options)}
    if options.against:
        second = load_model(options.against, device=measured[options.model].device)
        _check_comparable(measured[options.model], second, options, len(texts[options.model][0]))
        measured[options.against], texts[options.against] = second, _texts(second, options)
    estimates = {}
    for name, loaded in measured.items():
        shown = tqdm(texts[name][0], desc="measuring", unit="text", disable=None, leave=False)
        estimates[name] = masked_likelihood(loaded, shown, config, texts[name][1])
    for name, estimate in estimates.items():
        print(
            f"{name}: {estimate.in_bits} bits per token (standard error over "
            f"{len(estimate.values)} texts, {config.patterns} masks each, seed {config.seed})"
        )
    results = {name: {"bits": e.bits, "standard_error": e.bits_error} for name, e in estimates.items()}
    if options.against:
        difference = paired_difference(estimates[options.against], estimates[options.model])
        print(f"{options.model} needs {_bits(difference.mean):+.3f} bits per token more than {options.against}, "
              f"95 % interval {_bits(difference.low):+.3f} to {_bits(difference.high):+.3f}")  # fmt: skip
    return results


def _texts(loaded: LoadedModel, options: argparse.Namespace) -> tuple[list, list | None]:
    """(texts, lengths of their prompts), all of which the model can read."""
    if options.text:
        texts, starts = file_texts(loaded, options.text, options.length, options.sequences), None
    else:
        texts, starts = held_out_texts(loaded)
    check_texts(loaded, texts, starts)
    return texts, starts


def _check_comparable(first: LoadedModel, second: LoadedModel, options: argparse.Namespace, texts: int) -> None:
    if second.tokenizer is None or second.tokenizer.get_vocab() != first.tokenizer.get_vocab():
        raise ValueError(f"{options.against} has another tokenizer: bits per token of the two cannot be compared")
    if texts < 2:
        raise ValueError("--against needs at least 2 texts for an interval: give a longer text, or a shorter --length")


def _run_tasks(options: argparse.Namespace) -> dict | None:
    try:
        from lm_eval.utils import make_table

        from sinkprune.lab.harness import HarnessModel, find_tasks, run_tasks
    except ImportError as error:
        raise ValueError(f"--tasks needs lm-evaluation-harness ({error}): pip install lm_eval") from None
    config, names = decoding_of(options), [name for name in options.tasks.split(",") if name]
    manager = find_tasks(names, options.task_folder)
    model = HarnessModel(options.model, config, options.patterns, options.seed, options.device, options.quantize)
    results = run_tasks(model, names, manager, options.limit, options.fewshot, options.chat)
    if results is None:  # another process prints
        return None
    print(make_table(results))
    return results["results"]


def _bits(nats: float) -> float:
    return nats / math.log(2)
