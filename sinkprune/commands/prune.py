"""Prune a copy of a model and save it in the layout it came from, so that its official tools read it.

The official repository's option names work too: --prune_method, --sparsity_ratio, --sparsity_type, --nsamples, --calib_dataset,
--save_model.

examples:
  python -m sinkprune prune --method sink-wanda --sparsity 0.5 --save pruned
  python -m sinkprune prune --model GSAI-ML/LLaDA-8B-Base --prune_method sink --sparsity_ratio 0.5 \\
      --sparsity_type unstructured --nsamples 128 --length 2048 --calib_dataset wikitext2 --save_model out
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from sinkprune.commands.options import add_model, add_pruning, add_seed, calibration_of, loaded_model, pruning_of
from sinkprune.commands.progress import prune, remark
from sinkprune.models import check_save, check_target, left_behind, save_model
from sinkprune.pruning import CalibrationConfig, PruneConfig, PruneResult
from sinkprune.pruning.settings import layer_sparsity


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to cut and where the copy goes."""
    parser.add_argument(
        "--save",
        "--save_model",
        type=Path,
        metavar="FOLDER",
        help="a new folder for the pruned model; without it, pruning is only reported",
    )
    add_model(parser, quantised=False)
    add_pruning(parser)
    add_seed(parser)


def run(options: argparse.Namespace) -> None:
    """Prune, print what came out, save."""
    pruning, calibration = pruning_of(options), calibration_of(options)
    if options.save:
        check_target(options.save)
    loaded = loaded_model(options)
    if options.save:
        check_save(loaded, options.model, options.save)
        if left := left_behind(options.model):
            remark(f"no part of the checkpoint, and not copied: {', '.join(left)}")
    result, used = prune(loaded, pruning, calibration, in_place=True)
    layers = layer_sparsity(result.masks)
    print(f"{pruning.method}: asked {pruning.target:.2%}, achieved {result.sparsity:.4%}, in {result.seconds:.1f} s")
    if result.recorded:
        remark("the dense model was not measured: its statistics came with the project")
    print("per layer: " + ", ".join(f"{share:.2%}" for share in layers))
    remark(pruning.record.speed)
    if options.save:
        record = _record(options.model, pruning, used, result, layers)
        layout = save_model(result.loaded, options.model, options.save, record)
        print(f"saved to {options.save} in the {layout} layout")


def _record(
    model: str, pruning: PruneConfig, used: CalibrationConfig, result: PruneResult, layers: list[float]
) -> dict:
    """What made the copy."""
    return {
        "model": model,
        "revision": result.loaded.spec.revision,
        "pruning": asdict(pruning),
        "calibration": asdict(used) if pruning.record.reads_text else None,
        "sparsity": result.sparsity,
        "sparsity_per_layer": layers,
        "seconds": round(result.seconds, 2),
    }
