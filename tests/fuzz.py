"""Hostile values for every endpoint and every control of the page: only answers or sentences may come back, and nothing may stay behind.

    python -m tests.fuzz --examples 10000 [--seed 1]

is the nightly run, on a tiny model. Values go through Gradio's own preprocessing and come back as what it would send, so what a browser or
an API client can send is tried, and not only what the page offers. tests/ui/test_fuzz.py runs a few hundred examples of it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import hashlib
import os
import random
import sys
import tempfile
import time
import traceback
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import gradio as gr
import orjson
import psutil
import torch
from gradio import utils
from gradio.state_holder import SessionState
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from starlette.requests import Request

from sinkprune.lab.store import give_memory_back
from sinkprune.ui.page import build_page
from sinkprune.ui.server.workbench import Workbench
from tests.hostile import KEYS, anything, numbers, texts
from tests.tiny_bench import tiny_bench

ROUND = 250  # examples, after which hypothesis forgets what it drew: memory is then that of the app
PATIENCE = 2.0  # seconds after which a client leaves, wherever the work is


@dataclass
class Fuzzed:
    """The page on a tiny model, and what came back so far."""

    bench: Workbench
    demo: gr.Blocks
    session: SessionState | None = None  # of one visitor, who does all of it
    seen: Counter = field(default_factory=Counter)

    @property
    def functions(self) -> list:
        """Everything that a client can call."""
        return [fn for fn in self.demo.fns.values() if fn.fn is not None]

    def state(self) -> tuple:
        """What no example may change: the weights, which model is served, and who is still watching it."""
        loaded = self.bench.loaded
        digest = hashlib.sha256()
        for name, tensor in sorted(loaded.model.state_dict().items()):
            digest.update(name.encode() + tensor.contiguous().view(torch.uint8).numpy().tobytes())
        hooks = sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in loaded.model.modules())
        return digest.hexdigest(), self.bench.name, hooks, loaded.model.config.is_causal


def fuzzed_page(folder: Path) -> Fuzzed:
    """The page with the model loaded, as whoever comes after the first visitor finds it."""
    bench = tiny_bench(folder)
    demo = build_page(bench)
    assert bench.loaded
    return Fuzzed(bench, demo, SessionState(demo))


def values_for(fuzzed: Fuzzed, function) -> st.SearchStrategy[list]:
    """The inputs of a function: for each a value that its control offers, a hostile one of its kind, or anything at all."""
    hints = {}
    if not function.targets:  # an endpoint: its parameters say what they are
        hints = {name: hint for name, hint in get_type_hints(function.fn).items() if name != "return"}
    kinds = list(hints.values()) if len(hints) == len(function.inputs) else [None] * len(function.inputs)
    return st.tuples(*(_value(fuzzed, one, kind) for one, kind in zip(function.inputs, kinds, strict=True))).map(list)


def _value(fuzzed: Fuzzed, component, hint: object) -> st.SearchStrategy:
    choices = [value for _, value in getattr(component, "choices", None) or ()]
    if get_origin(hint) is Literal:
        choices = list(get_args(hint))
    if choices:
        several = st.lists(st.sampled_from(choices), max_size=3)
        return st.one_of(st.sampled_from(choices), st.sampled_from(choices), several, texts, anything)
    if isinstance(component, gr.State):
        return st.none()  # Gradio takes it from the session
    if isinstance(component, gr.File | gr.UploadButton):
        return st.one_of(files(fuzzed), st.none(), anything)
    if isinstance(component, gr.Number | gr.Slider) or hint in (int, float) or hint == float | None:
        return st.one_of(numbers, numbers, st.none(), anything)
    if isinstance(component, gr.Checkbox) or hint is bool:
        return st.one_of(st.booleans(), anything)
    if isinstance(component, gr.Textbox) or hint is str:
        known = st.just(fuzzed.bench.name)
        return st.one_of(texts, known, known, anything) if hint is str else st.one_of(texts, texts, anything)
    return anything


@st.composite
def files(draw, fuzzed: Fuzzed) -> dict:
    """An upload: a file in Gradio's folder with hostile content, or a path that is none of the visitor's business."""
    name = draw(st.sampled_from(["run.json", "run.json.gz", "run.txt", "../run.json", "run\ud800.json"]))
    content = draw(st.one_of(st.binary(max_size=60), anything.map(lambda v: repr(v).encode(errors="replace"))))
    folder = Path(fuzzed.demo.GRADIO_CACHE) / uuid.uuid4().hex
    folder.mkdir(parents=True)
    path = folder / "run.json"
    path.write_bytes(content)
    chosen = draw(st.sampled_from([str(path), str(path), "/etc/passwd", "/proc/self/environ", name]))
    return {"path": chosen, "orig_name": name, "size": 5, "meta": {"_type": "gradio.FileData"}}


_apart = ThreadPoolExecutor(1)  # a browser that runs in this process keeps this thread's event loop


def play(fuzzed: Fuzzed, function, values: list, yields: int, query: str = "", event: object = None) -> str:
    """Call a function, take some of what it yields, and leave: "answer" or "sentence". Raises whatever else came back."""
    outcome = _apart.submit(asyncio.run, _play(fuzzed, function, values, yields, query, event)).result()
    fuzzed.seen[outcome] += 1
    return outcome


async def _play(fuzzed: Fuzzed, function, values: list, yields: int, query: str, event: object) -> str:
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": [],
        "query_string": query.encode(errors="replace"),
    }
    request, session, iterator = gr.Request(Request(scope)), fuzzed.session, None
    began = time.monotonic()
    try:
        for _ in range(yields):
            result = await fuzzed.demo.process_api(
                function,
                values,
                state=session,
                request=request,
                iterator=iterator,
                event_data=gr.EventData(None, event),
            )
            orjson.dumps(result["data"], option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS, default=str)
            iterator = result["iterator"]
            if not result["is_generating"] or time.monotonic() - began > PATIENCE:
                break
    except gr.Error as error:
        message = str(error.message)
        if message.startswith("Value: "):  # Gradio's refusal, which repeats the value as it came
            assert len(message) < 200_000
        else:
            message.encode()
            assert 3 < len(message) < 2000, message[:300]
        assert "Traceback" not in message
        return "sentence"
    except Exception as error:
        if any("/sinkprune/" in frame.filename for frame in traceback.extract_tb(error.__traceback__)):
            raise
        return "refused by Gradio"  # before any of our code saw it
    finally:
        if iterator is not None:
            await utils.safe_aclose_iterator(iterator)
    return "answer"


def memory() -> int:
    """Bytes of this process, after giving back what nobody uses."""
    gc.collect()
    give_memory_back()
    return psutil.Process().memory_info().rss


def main() -> None:
    """The nightly run: prints what came back, and each failure with what caused it. Exit code 1 where there is one."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=main.__doc__)
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        fuzzed = fuzzed_page(Path(folder))
        print(f"{len(fuzzed.functions)} functions, seed {options.seed}")
        before = fuzzed.state()
        failures: dict[str, str] = {}
        for number in range(-(-options.examples // ROUND)):
            failures = collect_failures(fuzzed, ROUND, options.seed + number) | failures
            print(f"{dict(fuzzed.seen)}, {memory() / 2**20:.0f} MB", flush=True)
        assert fuzzed.state() == before, "the shared model changed"
    for kind, trace in failures.items():
        print(f"\n{kind}\n{trace[-1500:]}")
    sys.exit(1 if failures else 0)


def collect_failures(fuzzed: Fuzzed, count: int, number: int) -> dict[str, str]:
    """Kind of failure -> traceback of its first one, over `count` examples; one kind does not hide the others."""
    failures: dict[str, str] = {}

    @seed(number)
    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def examples(data) -> None:
        try:
            one_example(fuzzed, data, yields=40)
        except Exception as error:
            kind = _kind(error)
            if kind not in failures:
                print(kind, flush=True)
            failures.setdefault(kind, "".join(traceback.format_exception(error)))

    examples()
    return failures


def _kind(error: Exception) -> str:
    """What went wrong and where in our code: failures that share both are one."""
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "/sinkprune/" in frame.filename]
    place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "what came back"
    return f"{type(error).__name__} at {place}: {str(error)[:80]!r}"


def one_example(fuzzed: Fuzzed, data, yields: int) -> None:
    """One function with drawn values."""
    function = data.draw(st.sampled_from(fuzzed.functions), label="function")
    values = data.draw(values_for(fuzzed, function), label="values")
    query = data.draw(
        st.one_of(st.just(""), texts, st.sampled_from(KEYS).flatmap(lambda key: texts.map(f"{key}=".__add__)))
    )
    event = data.draw(st.one_of(anything, st.dictionaries(st.sampled_from(KEYS), anything)), label="event")
    play(fuzzed, function, values, yields, query, event)


if __name__ == "__main__":
    main()
