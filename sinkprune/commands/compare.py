"""Prune a copy, let the dense and the pruned model write the same prompt side by side, and measure both.

examples:
  python -m sinkprune compare "Why is the sky blue" --method sink-wanda --sparsity 0.6
  python -m sinkprune compare "Tell a story" --method structured --sparsity 0.3 --cache dual --output both.json
"""

from __future__ import annotations

import argparse

from sinkprune.commands.options import (
    add_decoding,
    add_model,
    add_prompt,
    add_pruning,
    add_seed,
    calibration_of,
    decoding_of,
    loaded_model,
    prompt_of,
    pruning_of,
)
from sinkprune.commands.progress import prune
from sinkprune.commands.trace import add_output, record, save_trace
from sinkprune.lab.comparison import measure
from sinkprune.lab.store import store_key
from sinkprune.traces.runs import check_prompt, compare_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The prompt, what to cut, how the answers are written."""
    add_prompt(parser)
    add_output(parser)
    add_model(parser, quantised=False)
    add_pruning(parser)
    add_decoding(parser)
    add_seed(parser)


def run(options: argparse.Namespace) -> None:
    """Print both answers and the table of what they cost."""
    config, pruning, calibration = decoding_of(options), pruning_of(options), calibration_of(options)
    prompt = prompt_of(options)
    loaded = loaded_model(options)
    check_prompt(loaded, prompt, config.gen_length)
    result, used = prune(loaded, pruning, calibration)
    key = store_key(loaded.spec, pruning, used)
    trace = record(compare_run(loaded, result.loaded, key, prompt, config, pruning, used))
    for lane in trace["lanes"]:
        print(f"{lane['title']}:\n{lane['text']}\n")
    print(measure(loaded, result, trace, config, pruning, used).as_markdown())
    if options.output:
        save_trace(trace, options.output)
