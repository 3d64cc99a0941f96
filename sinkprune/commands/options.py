"""Options that several commands share, and the engine's settings made from them."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from transformers.utils.logging import disable_progress_bar

from sinkprune.decoding import DecodeConfig
from sinkprune.decoding.cache import CACHE_MODES
from sinkprune.decoding.eviction import POLICIES
from sinkprune.models import MODELS, LoadedModel, load_model
from sinkprune.models.limits import check_seed
from sinkprune.models.registry import QUANTIZATIONS
from sinkprune.pruning import ALLOCATIONS, METHODS, SINK_RULES, CalibrationConfig, PruneConfig
from sinkprune.pruning.methods import BY_NAME

ALIASES = {method.alias: method.name for method in BY_NAME.values() if method.alias}  # the official repository's names
PATTERNS = {"unstructured": None, "2:4": (2, 4), "4:8": (4, 8)}
THRESHOLD = 0.9


def add_model(parser: argparse.ArgumentParser, quantised: bool = True) -> None:
    """--model, --device and, where quantised weights will do, --quantize."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model",
        default="bundled",
        metavar="NAME",
        help=f"a name ({', '.join(MODELS)}), a hub id (owner/name) or a local folder (default: %(default)s)",
    )
    group.add_argument(
        "--device",
        help="cpu, cuda, cuda:1 or auto, which spreads the layers over all GPUs (default: the first GPU, else the CPU)",
    )
    if quantised:
        group.add_argument("--quantize", choices=QUANTIZATIONS, help="bitsandbytes: less memory, slower on a CPU")


def loaded_model(options: argparse.Namespace) -> LoadedModel:
    """The model that the options of `add_model` name. Raises ValueError where it cannot be loaded there."""
    if not sys.stderr.isatty():
        disable_progress_bar()
    return load_model(options.model, quantize=getattr(options, "quantize", None), device=options.device)


def add_prompt(parser: argparse.ArgumentParser) -> None:
    """The prompt."""
    parser.add_argument("prompt", help="what to answer; - reads it from standard input")


def prompt_of(options: argparse.Namespace) -> str:
    """The prompt that was given, or standard input."""
    if options.prompt != "-":
        return options.prompt
    try:
        return sys.stdin.read().strip()
    except UnicodeDecodeError as error:
        raise ValueError(f"standard input is no UTF-8 text ({error.reason}): save the prompt as UTF-8") from None


def output_file(name: str) -> Path:
    """The path of a file that is written in the end: better refused now than after the work."""
    path = Path(name)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"{name} is no file in a folder that exists")
    if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{name} may not be written: choose another file")
    return path


def at_least(least: int) -> Callable[[str], int]:
    """A type for options: a whole number from `least` on."""

    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, not {value}")
        return value

    number.__name__ = "whole number"  # what argparse calls the type of a text that is none
    return number


def seed(text: str) -> int:
    """A type for options: a seed that every generator takes."""
    value = int(text)
    try:
        check_seed(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return value


def add_seed(parser: argparse.ArgumentParser) -> None:
    """--seed."""
    parser.add_argument(
        "--seed",
        type=seed,
        default=0,
        help="draws calibration text, noise, and tokens above temperature 0 (default: %(default)s)",
    )


def add_decoding(parser: argparse.ArgumentParser) -> None:
    """How the answer is written."""
    group = parser.add_argument_group("decoding")
    group.add_argument("--gen-length", type=int, default=96, metavar="N", help="answer tokens (default: %(default)s)")
    group.add_argument(
        "--block-length", type=int, metavar="N", help="must divide the answer length (default: 32, or one block)"
    )
    rule = group.add_mutually_exclusive_group()
    rule.add_argument(
        "--threshold",
        type=float,
        metavar="P",
        help=f"commit all tokens that are at least this certain (default: {THRESHOLD})",
    )
    rule.add_argument("--factor", type=float, metavar="F", help="commit by Fast-dLLM's factor rule instead")
    rule.add_argument("--steps", type=int, metavar="N", help="commit evenly in so many denoising steps instead")
    group.add_argument("--cache", choices=CACHE_MODES, default="none", help="key-value cache (default: %(default)s)")
    group.add_argument(
        "--temperature", type=float, default=0.0, metavar="T", help="0 takes the likeliest token (default: %(default)s)"
    )
    group.add_argument(
        "--cfg-scale",
        type=float,
        default=0.0,
        metavar="S",
        help="guidance towards the prompt, two forwards a step (default: %(default)s)",
    )
    group.add_argument("--stop-at-end", action="store_true", help="no forwards once the answer's end is written")
    _add_sparse_cache(parser)


def _add_sparse_cache(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("sparse cache", "for --cache sparse")
    group.add_argument(
        "--retention",
        type=float,
        default=DecodeConfig.retention,
        metavar="SHARE",
        help="of the keys outside the block (default: %(default)s)",
    )
    group.add_argument(
        "--kernel",
        type=int,
        default=DecodeConfig.kernel,
        metavar="N",
        help="pooling, odd; 1 is none (default: %(default)s)",
    )
    group.add_argument(
        "--delay",
        type=int,
        default=DecodeConfig.delay,
        metavar="N",
        help="full forwards of a block before the choice (default: %(default)s)",
    )
    group.add_argument(
        "--keep", choices=POLICIES, default=DecodeConfig.keep, help="which keys stay (default: %(default)s)"
    )


def decoding_of(options: argparse.Namespace) -> DecodeConfig:
    """The DecodeConfig of `add_decoding` and `add_seed`."""
    length = options.gen_length
    threshold = options.threshold
    if threshold is None and options.factor is None and options.steps is None:
        threshold = THRESHOLD
    return DecodeConfig(
        gen_length=length,
        block_length=(32 if length % 32 == 0 else length) if options.block_length is None else options.block_length,
        steps=length if options.steps is None else options.steps,
        threshold=threshold,
        factor=options.factor,
        cache=options.cache,
        temperature=options.temperature,
        seed=options.seed,
        cfg_scale=options.cfg_scale,
        retention=options.retention,
        kernel=options.kernel,
        delay=options.delay,
        keep=options.keep,
        stop_at_end=options.stop_at_end,
    )


def add_pruning(parser: argparse.ArgumentParser) -> None:
    """What to cut, and on which text inputs are measured; the official repository's option names work too."""
    group = parser.add_argument_group("pruning")
    group.add_argument(
        "--method",
        "--prune_method",
        default=PruneConfig.method,
        choices=(*METHODS, *ALIASES),
        metavar="NAME",
        help=f"{', '.join(METHODS)}; {' and '.join(f'{alias} is {name}' for alias, name in ALIASES.items())} (default: %(default)s)",
    )
    group.add_argument(
        "--sparsity", "--sparsity_ratio", type=float, metavar="SHARE", help="share of the weights to cut (default: 0.5)"
    )
    group.add_argument(
        "--pattern",
        "--sparsity_type",
        choices=PATTERNS,
        default="unstructured",
        help="2:4: two zeros in every four inputs (default: %(default)s)",
    )
    group.add_argument(
        "--sink-rule",
        choices=SINK_RULES,
        default=SINK_RULES[0],
        help="reference: the official code; paper: eq. 10-12 (default: %(default)s)",
    )
    group.add_argument(
        "--no-sink-weight", action="store_true", help="the ablation: same noise and sums, sinks not weighted down"
    )
    group.add_argument(
        "--allocation",
        choices=ALLOCATIONS,
        default=ALLOCATIONS[0],
        help="structured methods: the same share of every layer, or all compete (default: %(default)s)",
    )
    _add_calibration(parser)


def _add_calibration(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("calibration")
    group.add_argument(
        "--calibration",
        "--calib_dataset",
        default="bundled",
        metavar="TEXT",
        help="bundled, wikitext2 or c4 (with the package `datasets` and a hub in reach, else bundled), "
        "or a UTF-8 text file (default: %(default)s)",
    )
    group.add_argument(
        "--samples", "--nsamples", type=int, default=32, metavar="N", help="sequences (default: %(default)s)"
    )
    group.add_argument("--length", type=int, default=128, metavar="N", help="tokens a sequence (default: %(default)s)")


def pruning_of(options: argparse.Namespace) -> PruneConfig:
    """The PruneConfig of `add_pruning`. Raises ValueError where the sparsity contradicts the pattern."""
    pattern, sparsity = PATTERNS[options.pattern], options.sparsity
    if pattern and sparsity is not None and sparsity != pattern[0] / pattern[1]:
        raise ValueError(
            f"{options.pattern} is a sparsity of {pattern[0] / pattern[1]}, not {sparsity}: give one of them"
        )
    return PruneConfig(
        method=ALIASES.get(options.method, options.method),
        sparsity=0.5 if sparsity is None else sparsity,
        pattern=pattern,
        sink_rule=options.sink_rule,
        sink_weight=not options.no_sink_weight,
        allocation=options.allocation,
    )


def calibration_of(options: argparse.Namespace) -> CalibrationConfig:
    """The CalibrationConfig of `add_pruning` and `add_seed`."""
    return CalibrationConfig(options.samples, options.length, options.seed, options.calibration)
