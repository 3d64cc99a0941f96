"""The pruning table of the bundled model, by one command:

    python -m sinkprune.recorded.pruning_table [FOLDER]            # measures what is missing, then the summary; default assets/table
    python -m sinkprune.recorded.pruning_table [FOLDER] --markdown # prints the finished table as Markdown

FOLDER/cells.jsonl gets a line as soon as a cell is measured (format: `recorded.table_cells`), so an interrupted run
goes on where it stopped.
FOLDER/table.json is the summary of the complete seeds (format: `recorded.table_summary`), written after each seed.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from sinkprune.lab.card import threads
from sinkprune.models import LoadedModel, load_model
from sinkprune.models.fingerprint import weights_fingerprint
from sinkprune.models.writing import json_text
from sinkprune.recorded.table_cells import (
    Cell,
    Protocol,
    add_line,
    material,
    measure_cell,
    measure_dense,
    plan,
    read_cells,
    write_lines,
)
from sinkprune.recorded.table_summary import summarise
from sinkprune.recorded.table_text import as_markdown
from sinkprune.traces.numbers import percent

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "table"
MODEL = "bundled"


def load_table(folder: Path = FOLDER) -> dict | None:
    """The summary that was written last, or None where no table was measured yet."""
    path = folder / "table.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def run_table(loaded: LoadedModel, protocol: Protocol, folder: Path) -> list[str]:
    """Measure the cells that are missing and write the summary. Returns the sentences of cells that could not be measured.

    Raises ValueError where the folder's cells were measured with another protocol or on another model.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "cells.jsonl"
    about = _about(loaded, protocol)
    kept, cells = read_cells(path)
    if kept is not None and not _same_measurement(kept, about):
        raise ValueError(f"{path} was measured on another model or in another way: delete it, or name another folder")
    write_lines(path, [kept or about, *cells])
    failures = _measure_missing(loaded, protocol, path, cells)
    if not failures:
        write_summary(folder)
    return failures


def write_summary(folder: Path) -> None:
    """table.json from cells.jsonl."""
    about, cells = read_cells(folder / "cells.jsonl")
    text = json_text(summarise(about, cells), separators=(",", ":"))
    (folder / "table.json").write_text(text.replace('{"variant"', '\n{"variant"') + "\n", encoding="utf-8")


def _about(loaded: LoadedModel, protocol: Protocol) -> dict:
    """The first line of the cells. Lists, not tuples: as they come back from a file."""
    return {
        "model": loaded.spec.name,
        "weights": weights_fingerprint(loaded),
        "protocol": json.loads(json.dumps(asdict(protocol))),
        "dtype": str(loaded.model.dtype).removeprefix("torch."),
        "machine": f"{loaded.device.type}, {threads(torch.get_num_threads())}, {platform.machine()}",
        "torch": torch.__version__,
    }


def _same_measurement(first: dict, second: dict) -> bool:
    return all(first[key] == second[key] for key in ("model", "weights", "protocol", "dtype"))


def _measure_missing(loaded: LoadedModel, protocol: Protocol, path: Path, cells: list[dict]) -> list[str]:
    on = material(loaded, protocol)
    done = {Cell(line["variant"], line["sparsity"], line["seed"]): line for line in cells}
    dense = done.get(Cell("dense", 0.0, 0))
    if dense is None:
        dense = measure_dense(loaded, protocol, on)
        add_line(path, dense)
    missing = [cell for cell in plan(protocol) if cell not in done]
    failures, started, measured = [], time.perf_counter(), {}
    for number, cell in enumerate(missing, start=1):
        try:
            line = measure_cell(loaded, cell, protocol, on, dense["answers"], measured)
        except ValueError as error:  # a method that refuses this model must not cost the others' cells
            failures.append(f"{cell.variant} at {percent(cell.sparsity)}, seed {cell.seed}: {error}")
            print(failures[-1], file=sys.stderr, flush=True)
            continue
        add_line(path, line)
        if number < len(missing) and missing[number].seed != cell.seed and not failures:
            write_summary(path.parent)  # a seed is complete
            measured.clear()
        _say(number, len(missing), line, time.perf_counter() - started)
    return failures


def _say(number: int, count: int, line: dict, seconds: float) -> None:
    bits = sum(line["bits"]) / len(line["bits"])
    left = seconds / number * (count - number) / 60
    what = f"{line['variant']} at {percent(line['sparsity'])}, seed {line['seed']}"
    print(
        f"{number} of {count}: {what}: {bits:.3f} bits; {seconds / number:.1f} s a cell, {left:.0f} min left",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the pruning table of the bundled model, or print it."""
    parser = argparse.ArgumentParser(prog="python -m sinkprune.recorded.pruning_table", description=main.__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, help="where the table is kept")
    parser.add_argument("--markdown", action="store_true", help="print the finished table and measure nothing")
    options = parser.parse_args(arguments)
    if options.markdown:
        table = load_table(options.folder)
        if table is None:
            parser.error(f"{options.folder} holds no finished table: run the command without --markdown first")
        print(as_markdown(table))
        return
    try:
        failures = run_table(load_model(MODEL), Protocol(), options.folder)
    except ValueError as error:
        parser.error(str(error))
    if failures:
        parser.exit(1, f"{len(failures)} cells could not be measured, so no summary was written\n")
    print(as_markdown(load_table(options.folder)))


if __name__ == "__main__":
    main()
