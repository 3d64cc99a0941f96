"""The microscope's opening view, recorded so that it is there before the model is loaded.

    python -m sinkprune.recorded.microscope [--model NAME]     # writes assets/microscope.json.gz

The file: {"weights": hash of those looked at, "shown": the view's value (format: lab.microscope)}.
The layer and row are those in which the sink weight changes most decisions of the query projection, so that there is something to see:
the page says so. Everything else is the page's default.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Sequence
from pathlib import Path

from sinkprune.lab.microscope import measure, microscope, prompt_ids
from sinkprune.models import LoadedModel, load_model
from sinkprune.models.fingerprint import weights_fingerprint
from sinkprune.pruning import PruneConfig
from sinkprune.pruning.cuts import wanda_decision
from sinkprune.pruning.explain import Evidence, Spot
from sinkprune.traces.numbers import percent

FILE = Path(__file__).resolve().parents[2] / "assets" / "microscope.json.gz"
PROMPT = "Why is the sky blue"
LINEAR = "q"


def busiest_spot(loaded: LoadedModel, evidence: Evidence, config: PruneConfig) -> Spot:
    """The layer and row of the query projections in which most decisions flip."""
    best, most = Spot(0, LINEAR, 0), -1
    for layer, block in enumerate(loaded.model.model.layers):
        name = f"model.layers.{layer}.self_attn.q_proj"
        weight = block.self_attn.q_proj.weight
        masks = [wanda_decision(weight, norms[name], config)[1] for norms in (evidence.weighted, evidence.plain)]
        flips = (masks[0] ^ masks[1]).sum(1)
        if flips.max() > most:
            best, most = Spot(layer, LINEAR, int(flips.argmax())), int(flips.max())
    return best


def record_microscope(loaded: LoadedModel, prompt: str = PROMPT) -> dict:
    """The value of the view for `prompt` and the model's answer."""
    config, ids = PruneConfig(), prompt_ids(loaded, prompt)
    *_, evidence = measure(loaded, ids, config.sink_rule)
    return microscope(loaded, config, busiest_spot(loaded, evidence, config), evidence, prompt, ids)


def load_microscope(path: Path = FILE) -> dict | None:
    """The view's value that was recorded; None where nothing was. Raises ValueError for a damaged file."""
    recorded = read_recording(path)
    return recorded and recorded["shown"]


def read_recording(path: Path = FILE) -> dict | None:
    """The whole file; None where there is none. Raises ValueError for a damaged one."""
    if not path.exists():
        return None
    try:
        recorded = json.loads(gzip.decompress(path.read_bytes()))
        return {name: recorded[name] for name in ("weights", "shown")}
    except (EOFError, OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path.name} is damaged ({error}): record it again with `python -m sinkprune.recorded.microscope`"
        ) from error


def main(arguments: Sequence[str] | None = None) -> None:
    """Record the microscope's opening view into assets/microscope.json.gz."""
    parser = argparse.ArgumentParser(prog="python -m sinkprune.recorded.microscope", description=main.__doc__)
    parser.add_argument("--model", default="bundled", help="registry name, folder or hub id")
    parser.add_argument("--file", type=Path, default=FILE)
    options = parser.parse_args(arguments)
    loaded = load_model(options.model)
    value = record_microscope(loaded)
    recorded = {"weights": weights_fingerprint(loaded), "shown": value}
    options.file.write_bytes(gzip.compress(json.dumps(recorded, ensure_ascii=False).encode(), mtime=0))
    print(
        f"{options.file.name}: {options.file.stat().st_size / 1024:.0f} KB, layer {value['layer'] + 1} {value['linear']}, row "
        f"{value['row']}: {value['flippedRow']} decisions of the row flip, {percent(value['flipped'], 2)} of the projection's"
    )


if __name__ == "__main__":
    main()
