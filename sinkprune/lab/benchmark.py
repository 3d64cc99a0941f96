"""What things cost here, measured: forwards, recording, decoding modes, pruning methods, trace encoding.

    python -m sinkprune.lab.benchmark [--model NAME] [--json]

All variants of a comparison run in one process, after a warm-up, taking turns; the best of the rounds counts, because whatever else runs on
the machine only ever adds time. Pruning is measured once a method.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Sequence

import torch

from sinkprune.decoding import DecodeConfig, Generation, autoregress, denoise, generate
from sinkprune.lab.trace import encode_frame
from sinkprune.models import LoadedModel, encode_prompt, load_model
from sinkprune.pruning import METHODS, CalibrationConfig, PruneConfig, prune_model
from sinkprune.sinks import record_attention

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


def best_seconds(variants: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Shortest wall time of each variant: one warm-up each, then `rounds` times all of them in turn, forwards and backwards."""
    for run in variants.values():
        run()
    best = dict.fromkeys(variants, float("inf"))
    names = list(variants)
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            began = time.perf_counter()
            variants[name]()
            best[name] = min(best[name], time.perf_counter() - began)
    return best


def forward_times(
    models: dict[str, LoadedModel], prompt_ids: torch.Tensor, gen_length: int, rounds: int = 8
) -> dict[str, dict[str, float]]:
    """dtype -> {"forward_ms", "recorded_ms", "overhead"}: one denoising forward of the whole canvas, logits of a third of the answer."""

    def run(loaded: LoadedModel, record: bool) -> Callable[[], object]:
        mask = torch.full((1, gen_length), loaded.spec.mask_token_id)
        canvas = torch.cat([prompt_ids, mask], dim=1).to(loaded.device)
        asked = torch.arange(gen_length // 3, device=loaded.device) + prompt_ids.shape[1]

        @torch.inference_mode()
        def forward() -> object:
            if not record:
                return loaded.model(canvas, use_cache=False, logits_to_keep=asked).logits.sum().item()
            with record_attention(loaded) as recording:
                loaded.model(canvas, use_cache=False, logits_to_keep=asked)
                return recording.column_mass.sum().item()

        return forward

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
    """mode -> {"forwards", "tokens", "seconds", "tokens_per_second"}; tokens are committed positions, end tokens included."""
    results: dict[str, Generation] = {}
    variants: dict[str, Callable[[], object]] = {}
    for name, options in DECODING.items():
        config = DecodeConfig(gen_length=gen_length, block_length=gen_length // 3, steps=gen_length, **options)

        def run(name: str = name, config: DecodeConfig = config) -> None:
            results[name] = generate(loaded, prompt_ids, config)

        variants[name] = run
    best = best_seconds(variants, rounds)
    times = {name: _decoding_row(results[name].nfe, gen_length, best[name]) for name in variants}
    if loaded.spec.causal:
        steps: list = []
        seconds = best_seconds(
            {"ar": lambda: steps.append(sum(1 for _ in autoregress(loaded, prompt_ids, gen_length)))}, rounds
        )
        times["autoregressive"] = _decoding_row(steps[-1], steps[-1], seconds["ar"])
    return times


def _decoding_row(forwards: int, tokens: int, seconds: float) -> dict[str, float]:
    return {"forwards": forwards, "tokens": tokens, "seconds": seconds, "tokens_per_second": tokens / seconds}


def pruning_times(
    loaded: LoadedModel, calibration: CalibrationConfig, sparsity: float = 0.5
) -> dict[str, dict[str, float]]:
    """method -> {"seconds", "sparsity" achieved}."""
    times = {}
    for method in METHODS:
        result = prune_model(loaded, PruneConfig(method=method, sparsity=sparsity), calibration)
        times[method] = {"seconds": result.seconds, "sparsity": result.sparsity}
    return times


def encoding_ms(loaded: LoadedModel, prompt_ids: torch.Tensor, gen_length: int, rounds: int = 50) -> float:
    """Milliseconds to turn one recorded step into a trace frame."""
    config = DecodeConfig(gen_length=gen_length, block_length=gen_length // 3, steps=gen_length)
    step = next(denoise(loaded, prompt_ids, config, record=True))
    best = best_seconds({"encode": lambda: encode_frame(step, step.canvas.shape[1], loaded)}, rounds)
    return 1000 * best["encode"]


def benchmark(name: str) -> dict:
    """Everything above for one model, as one JSON-ready dict."""
    models = {"float32": load_model(name, dtype=torch.float32), "bfloat16": load_model(name, dtype=torch.bfloat16)}
    loaded = load_model(name)
    prompt_ids = encode_prompt(loaded, PROMPT)
    calibration = CalibrationConfig(samples=32, length=128)
    return {
        "model": loaded.spec.name,
        "device": str(loaded.device),
        "machine": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "dtype": str(loaded.model.dtype).removeprefix("torch."),
        "torch": torch.__version__,
        "canvas": prompt_ids.shape[1] + GEN_LENGTH,
        "forward": forward_times(models, prompt_ids, GEN_LENGTH),
        "decoding": decoding_times(loaded, prompt_ids, GEN_LENGTH),
        "pruning": pruning_times(loaded, calibration),
        "encoding_ms": encoding_ms(loaded, prompt_ids, GEN_LENGTH),
    }


def as_text(result: dict) -> str:
    """The result as a table to read."""
    about = f"{result['model']} ({result['dtype']}) on {result['device']}, {result['threads']} threads, torch {result['torch']}"
    lines = [
        f"{about}, canvas of {result['canvas']} tokens",
        "",
        f"{'forward':<28} {'ms':>8} {'recorded':>9} {'overhead':>9}",
    ]
    for dtype, row in result["forward"].items():
        lines.append(f"{dtype:<28} {row['forward_ms']:>8.1f} {row['recorded_ms']:>9.1f} {row['overhead']:>9.1%}")
    lines += ["", f"{'decoding':<28} {'forwards':>8} {'seconds':>9} {'tokens/s':>9}"]
    for mode, row in result["decoding"].items():
        lines.append(f"{mode:<28} {row['forwards']:>8} {row['seconds']:>9.2f} {row['tokens_per_second']:>9.1f}")
    lines += ["", f"{'pruning, 50 %, 32 x 128':<28} {'seconds':>8} {'achieved':>9}"]
    for method, row in result["pruning"].items():
        lines.append(f"{method:<28} {row['seconds']:>8.1f} {row['sparsity']:>9.2%}")
    return "\n".join([*lines, "", f"trace encoding: {result['encoding_ms']:.2f} ms a frame"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what forwards, decoding and pruning cost on this machine."""
    parser = argparse.ArgumentParser(prog="python -m sinkprune.lab.benchmark", description=main.__doc__)
    parser.add_argument("--model", default="bundled", help="registry name, folder or hub id")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    result = benchmark(options.model)
    print(json.dumps(result, indent=1) if options.json else as_text(result))


if __name__ == "__main__":
    main()
