"""What things cost here, measured: forwards, recording, decoding modes, pruning methods, quantising, trace encoding.

    python -m sinkprune.benchmarks.engine [--model NAME] [--samples 64] [--pruning] [--json]

All variants of a comparison run in one process, in turns, after a warm-up. The best round counts: other work on the machine only adds
time. Pruning is measured once a method, at the load that is printed beside it: on an idle machine, please.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Sequence

import psutil
import torch

from sinkprune.benchmarks.official import plain_model, write
from sinkprune.benchmarks.product_floor import product_floors
from sinkprune.decoding import DecodeConfig, Generation, autoregress, denoise, generate
from sinkprune.lab.timing import best_seconds, first_step, forward_of, peak_mib
from sinkprune.models import LoadedModel, causal_prompt, encode_prompt, load_model
from sinkprune.models.writing import json_text
from sinkprune.pruning import METHODS, CalibrationConfig, PruneConfig, PruneResult, prune_model, prune_steps, quantise
from sinkprune.pruning.quantised import FORMATS
from sinkprune.traces.format import encode_frame

PROMPT = "Explain in a few sentences why the sky is blue during the day and red in the evening."
GEN_LENGTH = 96
DECODING = {
    "plain": {},
    "parallel, threshold 0.9": {"threshold": 0.9},
    "parallel, factor 1": {"factor": 1.0},
    "prefix cache, threshold 0.9": {"threshold": 0.9, "cache": "prefix"},
    "dual cache, threshold 0.9": {"threshold": 0.9, "cache": "dual"},
    "plain, dual cache": {"cache": "dual"},
}


def forward_times(
    models: dict[str, LoadedModel], prompt_ids: torch.Tensor, gen_length: int, rounds: int = 8
) -> dict[str, dict[str, float]]:
    """dtype -> {"forward_ms", "recorded_ms", "overhead"}: one denoising forward of the whole canvas, logits of a third of the answer."""

    def run(loaded: LoadedModel, record: bool) -> Callable[[], object]:
        return forward_of(loaded, *first_step(loaded, prompt_ids, gen_length), record)

    best = best_seconds(
        {f"{name} {record}": run(loaded, record) for name, loaded in models.items() for record in (False, True)}, rounds
    )
    return {
        name: {
            "forward_ms": 1000 * best[f"{name} False"],
            "recorded_ms": 1000 * best[f"{name} True"],
            "overhead": best[f"{name} True"] / best[f"{name} False"] - 1,
        }
        for name in models
    }


def decoding_times(
    loaded: LoadedModel, prompt_ids: torch.Tensor, gen_length: int, rounds: int = 2
) -> dict[str, dict[str, float]]:
    """mode -> {"forwards", "tokens", "seconds", "tokens_per_second"}; tokens are committed positions, end tokens included.

    Also "official_forwards" and "official_seconds", of the official algorithm on the same weights (benchmarks/official.py), in turns with
    ours; not for models with shifted logits, whose official loop is another one.
    """
    results: dict[str, Generation] = {}
    official: dict[str, int] = {}
    variants: dict[str, Callable[[], object]] = {}
    plain = None if loaded.spec.shift_logits else plain_model(loaded)
    for name, options in DECODING.items():
        config = DecodeConfig(gen_length=gen_length, block_length=gen_length // 3, steps=gen_length, **options)

        def run(name: str = name, config: DecodeConfig = config) -> None:
            results[name] = generate(loaded, prompt_ids, config)

        def run_official(name: str = name, config: DecodeConfig = config) -> None:
            official[name] = write(plain, prompt_ids, loaded.spec.mask_token_id, config)[1]

        variants[name] = run
        if plain is not None:
            variants[f"official {name}"] = run_official
    best = best_seconds(variants, rounds)
    times = {name: _decoding_row(result.nfe, gen_length, best[name]) for name, result in results.items()}
    for name, forwards in official.items():
        times[name] |= {"official_forwards": forwards, "official_seconds": best[f"official {name}"]}
    if loaded.spec.causal:
        steps: list = []
        ids = causal_prompt(loaded, prompt_ids)
        seconds = best_seconds(
            {"ar": lambda: steps.append(sum(1 for _ in autoregress(loaded, ids, gen_length)))}, rounds
        )
        times["autoregressive"] = _decoding_row(steps[-1], steps[-1], seconds["ar"])
    return times


def _decoding_row(forwards: int, tokens: int, seconds: float) -> dict[str, float]:
    return {"forwards": forwards, "tokens": tokens, "seconds": seconds, "tokens_per_second": tokens / seconds}


def pruning_times(
    loaded: LoadedModel, calibration: CalibrationConfig, sparsity: float = 0.5
) -> dict[str, dict[str, float | dict[str, float]]]:
    """method -> {"seconds", "floor", "sparsity" achieved, "phases", "longest_wait", "peak_mib"}.

    phases: phase of `PruneProgress` -> seconds; what comes before the first step counts for the first phase. longest_wait: most seconds
    between two steps, which is how long a cancel may take. peak_mib: most memory above what the process held before, pruned copy included.
    floor: seconds of the matrix products alone.
    """
    floors = product_floors(loaded, calibration.samples * calibration.length)
    return {
        method: pruning_row(loaded, PruneConfig(method, sparsity), calibration) | {"floor": floors[method]}
        for method in METHODS
    }


def pruning_row(loaded: LoadedModel, config: PruneConfig, calibration: CalibrationConfig) -> dict:
    """One method of `pruning_times`, without its floor."""
    phases: dict[str, float] = {}
    longest, seen = 0.0, 0.0
    with peak_mib() as peak:
        for step in prune_steps(loaded, config, calibration):
            longest = max(longest, step.seconds - seen)
            if not isinstance(step, PruneResult):
                phases[step.phase] = phases.get(step.phase, 0.0) + step.seconds - seen
            seen = step.seconds
    return {
        "seconds": step.seconds,
        "sparsity": step.sparsity,
        "phases": phases,
        "longest_wait": longest,
        "peak_mib": peak[0],
    }


def quantised_times(
    loaded: LoadedModel, calibration: CalibrationConfig, prompt_ids: torch.Tensor, gen_length: int, rounds: int = 5
) -> dict[str, dict[str, float]]:
    """ "as it is", "int8", "nf4" -> {"mib" of the whole model, "sparsity", "seconds" to quantise, "forward_ms"} after 50 % sink-wanda."""
    pruned = prune_model(loaded, PruneConfig("sink-wanda", 0.5), calibration)
    models = {"as it is": pruned.loaded}
    rows = {"as it is": {"sparsity": pruned.sparsity, "seconds": 0.0}}
    for kind in FORMATS:
        began = time.perf_counter()
        result = quantise(pruned.loaded, kind)
        seconds = time.perf_counter() - began
        models[kind] = result.loaded
        rows[kind] = {"mib": result.bytes / 2**20, "sparsity": result.sparsity, "seconds": seconds}
        rows["as it is"]["mib"] = result.bytes_before / 2**20
    step = first_step(pruned.loaded, prompt_ids, gen_length)
    best = best_seconds({kind: forward_of(loaded, *step) for kind, loaded in models.items()}, rounds)
    return {kind: rows[kind] | {"forward_ms": 1000 * best[kind]} for kind in models}


def encoding_ms(loaded: LoadedModel, prompt_ids: torch.Tensor, gen_length: int, rounds: int = 50) -> float:
    """Milliseconds to turn one recorded step into a trace frame."""
    config = DecodeConfig(gen_length=gen_length, block_length=gen_length // 3, steps=gen_length)
    step = next(denoise(loaded, prompt_ids, config, record=True))
    best = best_seconds({"encode": lambda: encode_frame(step, step.canvas.shape[1], loaded)}, rounds)
    return 1000 * best["encode"]


def benchmark(name: str, samples: int = 32, pruning_only: bool = False) -> dict:
    """Everything above for one model, or pruning and quantising alone, as one JSON-ready dict.

    samples: calibration sequences of 128 tokens.
    """
    loaded = load_model(name)
    calibration, prompt_ids = CalibrationConfig(samples=samples, length=128), encode_prompt(loaded, PROMPT)
    result = {
        "model": loaded.spec.name,
        "device": str(loaded.device),
        "machine": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "dtype": str(loaded.model.dtype).removeprefix("torch."),
        "torch": torch.__version__,
        "samples": samples,
    }
    if not pruning_only:
        models = {"float32": load_model(name, dtype=torch.float32), "bfloat16": load_model(name, dtype=torch.bfloat16)}
        result |= {
            "canvas": prompt_ids.shape[1] + GEN_LENGTH,
            "forward": forward_times(models, prompt_ids, GEN_LENGTH),
            "decoding": decoding_times(loaded, prompt_ids, GEN_LENGTH),
            "encoding_ms": encoding_ms(loaded, prompt_ids, GEN_LENGTH),
        }
    # The first prune of a process also pays for warming up.
    for _ in prune_steps(loaded, PruneConfig("sink-sparsegpt"), CalibrationConfig(samples=1, length=128)):
        pass
    result["load"] = psutil.getloadavg()[0]
    result["pruning"] = pruning_times(loaded, calibration)
    result["quantised"] = quantised_times(loaded, calibration, prompt_ids, GEN_LENGTH)
    return result


def as_text(result: dict) -> str:
    """The result as tables to read."""
    about = f"{result['model']} ({result['dtype']}) on {result['device']}, {result['threads']} threads, torch {result['torch']}"
    tables = [[about], _pruning_table(result), _quantised_table(result)]
    if "forward" in result:
        tables[0][0] += f", canvas of {result['canvas']} tokens"
        tables[1:1] = [_forward_table(result), _decoding_table(result)]
        tables.append([f"trace encoding: {result['encoding_ms']:.2f} ms a frame"])
    return "\n\n".join("\n".join(lines) for lines in tables)


def _forward_table(result: dict) -> list[str]:
    lines = [f"{'forward':<28} {'ms':>8} {'recorded':>9} {'overhead':>9}"]
    for dtype, row in result["forward"].items():
        lines.append(f"{dtype:<28} {row['forward_ms']:>8.1f} {row['recorded_ms']:>9.1f} {row['overhead']:>9.1%}")
    return lines


def _decoding_table(result: dict) -> list[str]:
    lines = [
        f"{'decoding':<28} {'forwards':>8} {'seconds':>9} {'tokens/s':>9} {'official: forwards':>19} {'seconds':>9} {'ratio':>6}"
    ]
    for mode, row in result["decoding"].items():
        line = f"{mode:<28} {row['forwards']:>8} {row['seconds']:>9.2f} {row['tokens_per_second']:>9.1f}"
        if "official_seconds" in row:
            ratio = row["official_seconds"] / row["seconds"]
            line += f" {row['official_forwards']:>19} {row['official_seconds']:>9.2f} {ratio:>6.2f}"
        lines.append(line)
    return lines


def _pruning_table(result: dict) -> list[str]:
    phases = list(dict.fromkeys(phase for row in result["pruning"].values() for phase in row["phases"]))
    title = f"pruning, 50 %, {result['samples']} x 128"
    heads = " ".join(f"{phase:>8}" for phase in phases)
    lines = [
        f"load before pruning: {result['load']:.1f}; floor: seconds of the matrix products alone, the least it can take here; "
        "columns after the peak: seconds by phase",
        f"{title:<28} {'seconds':>8} {'floor':>8} {'achieved':>9} {'longest wait':>13} {'peak MiB':>9} {heads}",
    ]
    for method, row in result["pruning"].items():
        spent = " ".join(f"{row['phases'].get(phase, 0.0):>8.2f}" for phase in phases)
        lines.append(
            f"{method:<28} {row['seconds']:>8.1f} {row['floor']:>8.1f} {row['sparsity']:>9.2%} {row['longest_wait']:>13.2f} "
            f"{row['peak_mib']:>9.0f} {spent}"
        )
    return lines


def _quantised_table(result: dict) -> list[str]:
    lines = [f"{'sink-wanda 50 %, quantised':<28} {'MiB':>8} {'zeros':>9} {'seconds':>9} {'forward ms':>11}"]
    for kind, row in result["quantised"].items():
        lines.append(
            f"{kind:<28} {row['mib']:>8.1f} {row['sparsity']:>9.2%} {row['seconds']:>9.1f} {row['forward_ms']:>11.1f}"
        )
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what forwards, decoding and pruning cost on this machine."""
    parser = argparse.ArgumentParser(prog="python -m sinkprune.benchmarks.engine", description=main.__doc__)
    parser.add_argument("--model", default="bundled", help="registry name, folder or hub id")
    parser.add_argument("--samples", type=int, default=32, help="calibration sequences of 128 tokens (default 32)")
    parser.add_argument("--pruning", action="store_true", help="measure pruning and quantising alone")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    result = benchmark(options.model, options.samples, options.pruning)
    print(json_text(result, indent=1) if options.json else as_text(result))


if __name__ == "__main__":
    main()
