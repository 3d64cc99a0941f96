"""What pruning does to the sinks, method by method: rivers of fixed prompts in the dense model and in its pruned copies, recorded once.

    python -m sinkprune.recorded.pruned_sinks [--model NAME] [--sparsity 0.5] [--samples 32]     # writes assets/pruned-sinks.json.gz

A river is the attention share of every position at every denoising step, mean over layers and heads, (T, N). Every copy has two rivers. In
"read", the copy reads the canvases of the dense model, so only the weights differ. In "own", the copy writes an answer from the same
masked canvas and seed. Runs commit the same number of tokens at every step, so step t of one is step t of the other.

The file: {"model", "settings", "calibration", "sparsity", "prompts": [{"prompt", "promptLength", "shape": [T, N], "dense": river,
"denseText", "copies": [{"method", "read": river, "own": river, "text"}]}]}; a river is base64 uint8 of 255 sqrt(share).
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from sinkprune.decoding import DecodeConfig, denoise
from sinkprune.models import LoadedModel, decode_answer, encode_prompt, load_model
from sinkprune.models.writing import json_text
from sinkprune.pruning import METHODS, CalibrationConfig, PruneConfig, prune_model
from sinkprune.sinks import live_heads, record_attention
from sinkprune.traces.numbers import percent
from sinkprune.traces.shares import from_base64, from_levels, to_base64, to_levels

PRUNED_SINKS = Path(__file__).resolve().parents[2] / "assets" / "pruned-sinks.json.gz"
PROMPTS = ("Write a short story about a fox who learns to swim", "Why is the sky blue")
CONFIG = DecodeConfig(gen_length=48, block_length=16, steps=48)
BATCH = 8  # canvases forwarded at once
WAYS = ("read", "own")


@dataclass(frozen=True)
class PrunedRivers:
    """One prompt. dense: (T, N) attention shares. copies: method -> way ("read" or "own") -> (T, N). texts: "dense" or method -> answer."""

    prompt: str
    prompt_length: int
    dense: np.ndarray
    copies: dict[str, dict[str, np.ndarray]]
    texts: dict[str, str]

    def difference(self, method: str, way: str) -> np.ndarray:
        """(T, N) dense less pruned, in units of the mean: above 0 the dense model gives more attention there."""
        return (self.dense - self.copies[method][way]) * self.dense.shape[1]

    def moved(self, method: str, way: str) -> float:
        """Share of the attention that goes to other positions than in the dense model, mean over steps (total variation distance)."""
        return float(np.abs(self.dense - self.copies[method][way]).sum(1).mean() / 2)

    def same_leader(self, method: str, way: str) -> float:
        """Share of the steps in which the same position receives most."""
        return float((self.dense.argmax(1) == self.copies[method][way].argmax(1)).mean())


@dataclass(frozen=True)
class PrunedSinks:
    """What was recorded: on which model, how it was written and pruned, and the rivers of each prompt."""

    model: str
    settings: dict
    calibration: dict
    sparsity: float
    prompts: list[PrunedRivers]


def record_pruned_sinks(
    loaded: LoadedModel,
    sparsity: float = 0.5,
    calibration: CalibrationConfig | None = None,
    prompts: Sequence[str] = PROMPTS,
    config: DecodeConfig = CONFIG,
    methods: Sequence[str] = METHODS,
) -> PrunedSinks:
    """Prune by every method and record the rivers of every prompt. One copy exists at a time."""
    calibration = calibration or CalibrationConfig()
    ids = [encode_prompt(loaded, prompt) for prompt in prompts]
    dense = [_written(loaded, prompt_ids, config) for prompt_ids in ids]
    copies: list[dict] = [{} for _ in prompts]
    texts = [{"dense": text} for _, _, text in dense]
    for method in methods:
        copy = prune_model(loaded, PruneConfig(method=method, sparsity=sparsity), calibration).loaded
        for number, (_, canvases, _) in enumerate(dense):
            own, _, texts[number][method] = _written(copy, ids[number], config)
            copies[number][method] = {"read": _read(copy, canvases), "own": own}
    rivers = [
        PrunedRivers(prompt, prompt_ids.shape[1], _read(loaded, canvases), found, said)
        for prompt, prompt_ids, (_, canvases, _), found, said in zip(prompts, ids, dense, copies, texts, strict=True)
    ]
    return PrunedSinks(loaded.spec.name, asdict(config), asdict(calibration), sparsity, rivers)


def _written(
    loaded: LoadedModel, prompt_ids: torch.Tensor, config: DecodeConfig
) -> tuple[np.ndarray, torch.Tensor, str]:
    """(river (T, N), the canvases that were read (T, N), the answer) of a run."""
    masks = torch.full((1, config.gen_length), loaded.spec.mask_token_id)
    canvases, river = [torch.cat([prompt_ids, masks], dim=1)], []
    for step in denoise(loaded, prompt_ids, config, record=True):
        river.append(_shares(step.column_mass[:, None])[0])
        canvases.append(step.canvas)
    answer = decode_answer(loaded, canvases[-1][0, prompt_ids.shape[1] :])
    return np.stack(river), torch.cat(canvases[:-1]), answer


@torch.inference_mode()
def _read(loaded: LoadedModel, canvases: torch.Tensor) -> np.ndarray:
    """(T, N) attention shares of the forwards of T canvases."""
    return np.concatenate([shares for batch in canvases.split(BATCH) for shares in _forward(loaded, batch)])


def _forward(loaded: LoadedModel, batch: torch.Tensor) -> Iterator[np.ndarray]:
    with record_attention(loaded) as recording:
        loaded.model.model(batch.to(loaded.device), use_cache=False)
        yield _shares(recording.column_mass)


def _shares(column_mass: torch.Tensor) -> np.ndarray:
    """(B, N) mean over the layers and heads that exist, every row sums to 1, from (L, B, H, N)."""
    total = column_mass.sum(dim=(0, 2)).double().cpu()
    live = live_heads(column_mass).sum(dim=(0, 2)).cpu()
    return (total / (live[:, None] * column_mass.shape[-1])).numpy()


def write_pruned_sinks(found: PrunedSinks, path: Path = PRUNED_SINKS) -> None:
    """Write what was recorded, quantised: a share of 1/100 to within 2 %."""
    prompts = [
        {
            "prompt": rivers.prompt,
            "promptLength": rivers.prompt_length,
            "shape": list(rivers.dense.shape),
            "dense": _stored(rivers.dense),
            "denseText": rivers.texts["dense"],
            "copies": [
                {"method": method, **{way: _stored(copy[way]) for way in WAYS}, "text": rivers.texts[method]}
                for method, copy in rivers.copies.items()
            ],
        }
        for rivers in found.prompts
    ]
    text = json_text({**asdict(found), "prompts": prompts}, ensure_ascii=False)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def load_pruned_sinks(path: Path = PRUNED_SINKS) -> PrunedSinks | None:
    """What was recorded; None where nothing was. Raises ValueError for a damaged file."""
    if not path.exists():
        return None
    try:
        stored = json.loads(gzip.decompress(path.read_bytes()))
        return PrunedSinks(**{**stored, "prompts": [_rivers(row) for row in stored["prompts"]]})
    except (EOFError, OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path.name} is damaged ({error}): record it again with `python -m sinkprune.recorded.pruned_sinks`"
        ) from error


def _rivers(row: dict) -> PrunedRivers:
    shape = tuple(row["shape"])
    copies = {copy["method"]: {way: _loaded(copy[way], shape) for way in WAYS} for copy in row["copies"]}
    texts = {"dense": row["denseText"]} | {copy["method"]: copy["text"] for copy in row["copies"]}
    return PrunedRivers(row["prompt"], row["promptLength"], _loaded(row["dense"], shape), copies, texts)


def _stored(river: np.ndarray) -> str:
    return to_base64(to_levels(river))


def _loaded(text: str, shape: tuple[int, ...]) -> np.ndarray:
    return from_levels(from_base64(text).reshape(shape))


def main(arguments: Sequence[str] | None = None) -> None:
    """Record what every pruning method does to the sinks into assets/pruned-sinks.json.gz."""
    parser = argparse.ArgumentParser(prog="python -m sinkprune.recorded.pruned_sinks", description=main.__doc__)
    parser.add_argument("--model", default="bundled", help="registry name, folder or hub id")
    parser.add_argument("--sparsity", type=float, default=0.5)
    parser.add_argument("--samples", type=int, default=CalibrationConfig().samples, help="calibration sequences")
    parser.add_argument("--file", type=Path, default=PRUNED_SINKS)
    options = parser.parse_args(arguments)
    calibration = CalibrationConfig(samples=options.samples)
    write_pruned_sinks(record_pruned_sinks(load_model(options.model), options.sparsity, calibration), options.file)
    found = load_pruned_sinks(options.file)
    print(f"{options.file.name}: {options.file.stat().st_size / 1024:.0f} KB")
    for rivers in found.prompts:
        print(f"\n{rivers.prompt!r}; attention moved and equal leaders, reading the dense model's canvases / its own")
        print(f"    {'dense':<16} {rivers.texts['dense'][:160]!r}")
        for method in rivers.copies:
            numbers = " / ".join(
                f"{percent(rivers.moved(method, way), 1):>7} {percent(rivers.same_leader(method, way), 1):>7}"
                for way in WAYS
            )
            print(f"    {method:<16} {numbers}  {rivers.texts[method][:100]!r}")


if __name__ == "__main__":
    main()
