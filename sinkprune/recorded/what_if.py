"""What changing attention costs the bundled model: a sparse cache, covered columns, heads left out. By one command:

    python -m sinkprune.recorded.what_if             # measures what is missing, then the summary
    python -m sinkprune.recorded.what_if --markdown  # prints the summary as Markdown

assets/what-if.jsonl gets a line as soon as a part of a prompt is measured, so an interrupted run goes on where it stopped. The first line
says what was measured on which model; the others are {"part", "prompt", "values"}; parts are those of `PARTS`.
assets/what-if.json is the summary over the prompts whose parts are complete (format: `recorded.what_if_summary`).
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from sinkprune.decoding.packing import packed_view
from sinkprune.lab.card import threads
from sinkprune.lab.texts import held_out_answers
from sinkprune.models import LoadedModel, causal_view, encode_prompt, load_model
from sinkprune.models.fingerprint import weights_fingerprint
from sinkprune.models.writing import json_text
from sinkprune.recorded.eviction_times import load_times
from sinkprune.recorded.table_cells import add_line, read_cells, write_lines
from sinkprune.recorded.what_if_cells import (
    Subject,
    dense_answer,
    measure_cache,
    measure_canvas,
    measure_causal,
)
from sinkprune.recorded.what_if_settings import Protocol
from sinkprune.recorded.what_if_summary import summarise
from sinkprune.recorded.what_if_text import as_markdown
from sinkprune.recorded.what_if_written import measure_texts

FILE = Path(__file__).resolve().parents[2] / "assets" / "what-if.json"
PARTS: dict[str, Callable[[Subject], dict]] = {
    "cache": measure_cache,
    "canvas": measure_canvas,
    "causal": measure_causal,
    "texts": measure_texts,
}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def measure(loaded: LoadedModel, protocol: Protocol, prompts: Sequence[torch.Tensor], path: Path) -> Iterator[dict]:
    """Measure the cells that are missing in the file at `path` and yield each line that was added. prompts: each (1, P).

    Raises ValueError where the file was measured with another protocol or on another model.
    """
    about, kept = _about(loaded, protocol), read_cells(path)
    if kept[0] is not None and not _same_measurement(kept[0], about):
        raise ValueError(f"{path} was measured on another model or in another way: delete it, or name another file")
    write_lines(path, [kept[0] or about, *kept[1]])
    cells = {(cell["part"], cell["prompt"]): cell["values"] for cell in kept[1]}
    lanes = packed_view(loaded), packed_view(causal_view(loaded))
    for part, number in _order(protocol):
        if (part, number) in cells:
            continue
        if part == "answer":
            tokens, forwards = dense_answer(lanes[0], prompts[number], protocol)
            values = {"tokens": tokens, "forwards": forwards}
        else:
            answer = torch.tensor(cells["answer", number]["tokens"])
            values = _rounded(PARTS[part](Subject(*lanes, number, prompts[number], answer, protocol)))
        cells[part, number] = values
        line = {"part": part, "prompt": number, "values": values}
        add_line(path, line)
        yield line


def _order(protocol: Protocol) -> Iterator[tuple[str, int]]:
    """(part, prompt): prompt by prompt; the texts, which cost most, at the end."""
    for number in range(protocol.prompts):
        yield from ((part, number) for part in ("answer", "cache", "canvas", "causal"))
    yield from (("texts", number * protocol.prompts // protocol.texts) for number in range(protocol.texts))


def _rounded(values: dict) -> dict:
    return {
        key: _rounded(value) if isinstance(value, dict) else round(value, 5) if isinstance(value, float) else value
        for key, value in values.items()
    }


def _about(loaded: LoadedModel, protocol: Protocol) -> dict:
    return {
        "model": loaded.spec.name,
        "weights": weights_fingerprint(loaded),
        "protocol": asdict(protocol),
        "dtype": str(loaded.model.dtype).removeprefix("torch."),
        "machine": f"{loaded.device.type}, {threads(torch.get_num_threads())}, {platform.machine()}",
        "torch": torch.__version__,
    }


def _same_measurement(first: dict, second: dict) -> bool:
    return all(first[key] == second[key] for key in ("model", "weights", "protocol", "dtype"))


def held_out_prompts(loaded: LoadedModel, count: int) -> list[torch.Tensor]:
    """(1, P) each: the first `count` held-out prompts in the model's chat format."""
    return [encode_prompt(loaded, prompt) for prompt in list(held_out_answers())[:count]]


def write_summary(file: Path) -> None:
    """The summary at `file` from the cells beside it, a row a line."""
    text = json_text(summarise(*read_cells(file.with_suffix(".jsonl"))))
    for begin in ('{"kind"', '{"count"', '{"lane"'):
        text = text.replace(begin, f"\n{begin}")
    file.write_text(text + "\n", encoding="utf-8")


def load_what_if(file: Path = FILE) -> dict | None:
    """The summary; None where nothing was measured."""
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what changing attention costs, into assets/what-if.json."""
    parser = argparse.ArgumentParser(prog="python -m sinkprune.recorded.what_if", description=main.__doc__)
    parser.add_argument("--model", default="bundled", help="registry name, folder or hub id")
    parser.add_argument("--dtype", choices=DTYPES, default="bfloat16", help="faster where the processor has AMX")
    parser.add_argument("--prompts", type=int, default=Protocol().prompts, help="of the 64 held-out ones")
    parser.add_argument("--file", type=Path, default=FILE, help="the summary; its cells lie beside it, .jsonl")
    parser.add_argument("--markdown", action="store_true", help="print what was measured before")
    options = parser.parse_args(arguments)
    if options.markdown:
        print(as_markdown(load_what_if(options.file), load_times()))
        return
    torch.set_num_threads(1)
    loaded = load_model(options.model, device="cpu", dtype=DTYPES[options.dtype])
    protocol = replace(Protocol(), prompts=options.prompts)
    prompts = held_out_prompts(loaded, protocol.prompts)
    for line in measure(loaded, protocol, prompts, options.file.with_suffix(".jsonl")):
        print(line["part"], line["prompt"], flush=True)
    write_summary(options.file)


if __name__ == "__main__":
    main()
