"""What pruning does to the text: eight held-out prompts answered by the dense model and by its pruned copies, nothing picked.

    python -m sinkprune.training.samples assets/bundled        # writes samples.json, which the card shows

Every method prunes at 50 % and 70 %, calibrated as on the page by default. Decoding is greedy: 96 tokens in blocks of 32, threshold 0.9,
dual cache.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from sinkprune.decoding import generate
from sinkprune.models import LoadedModel, decode_answer, encode_prompt, load_model
from sinkprune.pruning import UNSTRUCTURED, PruneConfig, prune_model
from sinkprune.training.evaluate import DUAL
from sinkprune.training.prompts import held_out_prompts

SPARSITIES = (0.5, 0.7)
PROMPTS = 8


def answers(loaded: LoadedModel, prompts: Sequence[str]) -> list[str]:
    written = []
    for prompt in prompts:
        prompt_ids = encode_prompt(loaded, prompt)
        written.append(decode_answer(loaded, generate(loaded, prompt_ids, DUAL).tokens[0, prompt_ids.shape[1] :]))
    return written


def samples(dense: LoadedModel, prompts: Sequence[str]) -> dict:
    """{"prompts", "dense": answers, "pruned": [{"method", "sparsity", "answers"}]}; answers in the order of the prompts."""
    pruned = []
    for method in UNSTRUCTURED:
        measured = {}  # the second sparsity need not measure the dense model again
        for sparsity in SPARSITIES:
            copy = prune_model(dense, PruneConfig(method, sparsity), measured=measured).loaded
            pruned.append({"method": method, "sparsity": sparsity, "answers": answers(copy, prompts)})
            print(f"{method} {sparsity:.0%}: {pruned[-1]['answers'][0][:80]}", flush=True)
    return {"prompts": list(prompts), "dense": answers(dense, prompts), "pruned": pruned}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    model = parser.parse_args().model
    everything = held_out_prompts()
    result = samples(load_model(str(model)), everything[:: len(everything) // PROMPTS])
    (model / "samples.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
