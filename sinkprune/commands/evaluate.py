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
import json
import math

from tqdm import tqdm

from sinkprune.commands.options import add_decoding, add_model, add_seed, decoding_of, loaded_model, output_file
from sinkprune.lab.likelihood import Estimate, LikelihoodConfig, masked_likelihood, paired_difference
from sinkprune.lab.texts import file_texts, held_out_texts
from sinkprune.models import LoadedModel, load_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to measure, on what."""
    add_model(parser)
    parser.add_argument("--patterns", type=int, default=16, metavar="N", help="masks per text (default: %(default)s)")
    parser.add_argument("--output", type=output_file, metavar="FILE", help="the results as JSON")
    add_seed(parser)
    texts = parser.add_argument_group("likelihood")
    texts.add_argument("--against", metavar="NAME", help="another model, measured on the same texts and masks")
    texts.add_argument("--text", metavar="FILE", help="a UTF-8 text file instead of the held-out answers")
    texts.add_argument("--length", type=int, default=128, metavar="N", help="tokens a sequence (default: %(default)s)")
    texts.add_argument(
        "--sequences", type=int, default=64, metavar="N", help="sequences, spread over the file (default: %(default)s)"
    )
    tasks = parser.add_argument_group("lm-evaluation-harness (pip install lm_eval)")
    tasks.add_argument("--tasks", metavar="A,B", help="tasks, separated by commas")
    tasks.add_argument("--limit", type=int, metavar="N", help="documents of each task (default: all)")
    tasks.add_argument("--fewshot", type=int, metavar="N", help="examples before each question (default: the task's)")
    tasks.add_argument("--chat", action="store_true", help="questions in the model's chat template")
    tasks.add_argument("--task-folder", metavar="FOLDER", help="tasks of your own, as the harness's YAML files")
    add_decoding(parser)


def run(options: argparse.Namespace) -> None:
    """Print the results; write them where --output says."""
    results = _run_tasks(options) if options.tasks else _run_likelihood(options)
    if options.output and results is not None:
        options.output.write_text(json.dumps(results, indent=1, default=str) + "\n", encoding="utf-8")


def _run_likelihood(options: argparse.Namespace) -> dict:
    config = LikelihoodConfig(options.patterns, seed=options.seed)
    first = loaded_model(options)
    estimates = {options.model: _estimate(first, options, config)}
    if options.against:
        second = load_model(options.against, device=first.device)
        if second.tokenizer is None or second.tokenizer.get_vocab() != first.tokenizer.get_vocab():
            raise ValueError(f"{options.against} has another tokenizer: bits per token of the two cannot be compared")
        estimates[options.against] = _estimate(second, options, config)
    for name, estimate in estimates.items():
        print(
            f"{name}: {estimate.bits:.3f} ± {estimate.bits_error:.3f} bits per token (standard error over "
            f"{len(estimate.values)} texts, {config.patterns} masks each, seed {config.seed})"
        )
    results = {name: {"bits": e.bits, "standard_error": e.bits_error} for name, e in estimates.items()}
    if options.against:
        difference = paired_difference(estimates[options.against], estimates[options.model])
        print(f"{options.model} needs {_bits(difference.mean):+.3f} bits per token more than {options.against}, "
              f"95 % interval {_bits(difference.low):+.3f} to {_bits(difference.high):+.3f}")  # fmt: skip
    return results


def _estimate(loaded: LoadedModel, options: argparse.Namespace, config: LikelihoodConfig) -> Estimate:
    if options.text:
        texts, starts = file_texts(loaded, options.text, options.length, options.sequences), None
    else:
        texts, starts = held_out_texts(loaded)
    shown = tqdm(texts, desc="measuring", unit="text", disable=None, leave=False)
    return masked_likelihood(loaded, shown, config, starts)


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
