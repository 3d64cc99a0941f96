"""Record a run, attention included, as the JSON that the page's player reads (sinkprune/traces/format.py describes it).

examples:
  python -m sinkprune trace "Why is the sky blue" --output sky.json
  python -m sinkprune trace "Why is the sky blue" --lanes dlm --steps 96 --output sky.json.gz
  python -m sinkprune trace "Why is the sky blue" --lanes dlm --edit 3 20 " green" --output green.json
"""

from __future__ import annotations

import argparse
import gzip
from dataclasses import replace
from pathlib import Path

from sinkprune.commands.options import (
    add_decoding,
    add_model,
    add_prompt,
    add_seed,
    decoding_of,
    loaded_model,
    output_file,
    prompt_of,
)
from sinkprune.commands.progress import bar, remark
from sinkprune.commands.what_if_options import add_changes, changes_of_options
from sinkprune.models.writing import write_whole
from sinkprune.traces.check import trace_text
from sinkprune.traces.controls import TITLES
from sinkprune.traces.runs import trace_run
from sinkprune.traces.touch import check_touch, touch_asked, touch_run, touched_change


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The prompt, how the answer is written, and where the trace goes."""
    add_prompt(parser)
    add_output(parser, required=True)
    parser.add_argument(
        "--lanes",
        nargs="+",
        choices=TITLES,
        help="dlm: diffusion; ar: autoregressive, with the same weights (default: all that the model can)",
    )
    add_model(parser)
    add_decoding(parser)
    add_changes(parser)
    parser.add_argument(
        "--controls", action="store_true", help="untouched, changed and random lanes beside each other, of one kind"
    )
    parser.add_argument("--candidates", action="store_true", help="record the likeliest tokens of masked positions")
    parser.add_argument("--value-norms", action="store_true", help="record how long value vectors are")
    parser.add_argument(
        "--edit",
        nargs="+",
        action="append",
        default=[],
        metavar="WORD",
        help="AFTER POSITION [TOKEN]: touch a token. After this step TOKEN, or a mask, is put there, and a second lane goes on; "
        "may be repeated",
    )
    parser.add_argument(
        "--edit-lane", type=int, default=0, metavar="N", help="the lane to touch, from 0 (default: %(default)s)"
    )
    add_seed(parser)


def run(options: argparse.Namespace) -> None:
    """Record and write the file."""
    config, prompt = decoding_of(options), prompt_of(options)
    intervention, blanks = changes_of_options(options)
    loaded = loaded_model(options)
    able = {"dlm": loaded.spec.mask_token_id is not None, "ar": loaded.spec.causal}
    lanes = options.lanes or [kind for kind in TITLES if able[kind]][: 1 if blanks or options.controls else None]
    asked = {
        "intervention": intervention,
        "blanks": blanks,
        "controls": options.controls,
        "candidates": options.candidates,
        "value_norms": options.value_norms,
    }
    touch = touch_asked([_edit(words) for words in options.edit], options.edit_lane)
    if touch:
        kind, change = touched_change(touch.lane, lanes, config, intervention, options.controls)
        check_touch(loaded, touch, kind)
    trace = record(trace_run(loaded, prompt, config, lanes, **asked))
    for count in range(1, 1 + len(touch.edits if touch else ())):
        trace = record(touch_run(loaded, trace, replace(touch, edits=touch.edits[:count]), change))
    for lane in trace["lanes"]:
        remark(f"{lane['title']}: {lane['nfe']} forward passes in {lane['seconds']:.2f} s")
    save_trace(trace, options.output)


def _edit(words: list[str]) -> list:
    """[after, position, token] of --edit."""
    if len(words) not in (2, 3) or not all(word.isascii() and word.isdigit() for word in words[:2]):
        raise ValueError("--edit takes a step, a position and a token (none for a mask), such as --edit 3 20 green")
    return [int(words[0]), int(words[1]), words[2] if len(words) == 3 else None]


def add_output(parser: argparse.ArgumentParser, required: bool = False) -> None:
    """--output, where a trace goes."""
    parser.add_argument(
        "--output",
        type=output_file,
        required=required,
        metavar="FILE",
        help="the trace: .json, or .json.gz to have it compressed",
    )


def record(steps) -> dict:
    """Run a `traces.runs` generator to its end under a bar; returns the finished trace."""
    with bar(0, "recording", "step") as shown:
        for trace in steps:
            shown.update(1)
            newest = trace
    return newest


def save_trace(trace: dict, path: Path) -> None:
    """Write a trace as JSON, compressed where the name ends in .gz."""
    content = trace_text(trace).encode()
    write_whole(path, gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    remark(f"wrote {path}, {path.stat().st_size / 2**20:.1f} MB")
