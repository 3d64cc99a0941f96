"""Which token between prompt and answer lets the sinks move most, measured after the first phase, which learned all of SEPARATORS.

python -m sinkprune.training.frame build/first      # prints the separator and gives it to build/first's chat template

12 validation prompts on the page's canvas, threshold 0.9; sinks of the mean over all layers. One process per separator.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

from sinkprune.models import load_model
from sinkprune.traces.runs import finish, trace_run
from sinkprune.traces.sink_statistics import trace_statistics
from sinkprune.training.base import CHAT_TEMPLATE, SEPARATORS
from sinkprune.training.evaluate import PARALLEL
from sinkprune.training.prompts import validation_prompts

PROMPTS = 12


def moving(model: Path, number: int, prompts: list[str]) -> tuple[float, float]:
    """Medians over the prompts: temporal variance of the sink centroid, and moves of the leading sink, with SEPARATORS[number]."""
    gpus = torch.cuda.device_count()
    loaded = load_model(str(model), device=f"cuda:{number % gpus}" if gpus else "cpu")
    loaded.tokenizer.chat_template = CHAT_TEMPLATE.format(separator=repr(SEPARATORS[number]))
    runs = [trace_statistics(finish(trace_run(loaded, prompt, PARALLEL, ("dlm",))))[0] for prompt in prompts]
    return statistics.median(run.temporal_variance for run in runs), statistics.median(run.moves for run in runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    model = parser.parse_args().model
    everything, count = validation_prompts(), len(SEPARATORS)
    prompts = everything[:: len(everything) // PROMPTS][:PROMPTS]
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn")) as pool:
        measured = list(pool.map(moving, [model] * count, range(count), [prompts] * count))
    best = max(range(count), key=measured.__getitem__)
    print(json.dumps(dict(zip(SEPARATORS, measured, strict=True))), file=sys.stderr)
    tokenizer = load_model(str(model), device="cpu").tokenizer
    tokenizer.chat_template = CHAT_TEMPLATE.format(separator=repr(SEPARATORS[best]))
    tokenizer.save_pretrained(model)
    print(best)


if __name__ == "__main__":
    main()
