"""What stopping at the answer's end saves, and whether the text stays: whole and stopped runs in turns on the 64 held-out prompts.

    python -m sinkprune.benchmarks.stopping [--prompts 64] [--json]

96 tokens in blocks of 32, threshold 0.9, dual cache. CPU seconds of this process, so other work on the machine disturbs them little.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import mean

import psutil
import torch

from sinkprune.decoding import DecodeConfig, Generation, generate
from sinkprune.lab.texts import held_out_answers
from sinkprune.models import LoadedModel, decode_answer, encode_prompt, load_model

WHOLE = DecodeConfig(gen_length=96, block_length=32, threshold=0.9, cache="dual")
MODES = {"whole": WHOLE, "stopped": replace(WHOLE, stop_at_end=True)}


def measure(loaded: LoadedModel, prompts: Sequence[str]) -> list[dict]:
    """For each prompt: "forwards" and "seconds" of each mode, and whether "text" and "canvas" are equal."""
    rows = []
    for number, prompt in enumerate(prompts):
        ids = encode_prompt(loaded, prompt)
        found: dict[str, tuple[Generation, float]] = {}
        for mode in list(MODES)[:: 1 if number % 2 == 0 else -1]:
            began = time.process_time()
            result = generate(loaded, ids, MODES[mode])
            found[mode] = (result, time.process_time() - began)
        tokens = [found[mode][0].tokens[0, ids.shape[1] :] for mode in MODES]
        texts = [decode_answer(loaded, one) for one in tokens]
        rows.append(
            {
                "text": texts[0] == texts[1],
                "canvas": torch.equal(*tokens),
                "forwards": {mode: result.nfe for mode, (result, _) in found.items()},
                "seconds": {mode: seconds for mode, (_, seconds) in found.items()},
            }
        )
    return rows


def as_text(rows: Sequence[dict]) -> str:
    """The sums over all prompts, to read."""
    forwards, seconds = (
        {mode: sum(row[what][mode] for row in rows) for mode in MODES} for what in ("forwards", "seconds")
    )
    fewer = sum(row["forwards"]["stopped"] < row["forwards"]["whole"] for row in rows)
    return "\n".join(
        [
            f"{len(rows)} prompts: {sum(row['text'] for row in rows)} texts equal, "
            f"{sum(row['canvas'] for row in rows)} whole canvases equal, {fewer} runs with fewer forwards",
            *(f"{mode:<8} {forwards[mode]:>6} forwards {seconds[mode]:>8.1f} CPU seconds" for mode in MODES),
            f"saved: {1 - forwards['stopped'] / forwards['whole']:.1%} of the forwards, "
            f"{1 - seconds['stopped'] / seconds['whole']:.1%} of the seconds; "
            f"mean of the prompts' ratios {mean(row['seconds']['whole'] / row['seconds']['stopped'] for row in rows):.2f}",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare whole runs with runs that stop at the answer's end."""
    parser = argparse.ArgumentParser(prog="python -m sinkprune.benchmarks.stopping", description=main.__doc__)
    parser.add_argument("--model", default="bundled", help="registry name, folder or hub id")
    parser.add_argument("--prompts", type=int, default=64, help="of the held-out ones (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    loaded = load_model(options.model)
    generate(loaded, encode_prompt(loaded, "Hello"), MODES["stopped"])  # the first run of a process also warms up
    rows = measure(loaded, list(held_out_answers())[: options.prompts])
    print(json.dumps(rows, indent=1) if options.json else as_text(rows))
    print(f"{torch.get_num_threads()} threads, load {psutil.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
