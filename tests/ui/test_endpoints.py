"""The endpoints on a tiny model, through gradio_client: they stream, end with their answer, and stop when their job is cancelled."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import gradio as gr
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from mcp.types import CallToolResult

from sinkprune.pruning import METHODS, PruneProgress
from sinkprune.ui.api import Endpoints, add_endpoints
from tests.tiny_bench import tiny_bench

PROMPT = "why do stars shine ?"
SHORT = {"gen_length": 32, "block_length": 32, "samples": 8}
NAMES = ["trace", "generate", "prune", "compare", "compare_all", "sweep"]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return tiny_bench(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def address(bench):
    with gr.Blocks() as demo:
        add_endpoints(bench)
    _, url, _ = demo.queue().launch(prevent_thread_lock=True, quiet=True)
    yield url
    demo.close()


@pytest.fixture(scope="module")
def client(address):
    return Client(address, verbose=False)


def test_parameters_are_typed_and_say_what_is_allowed(client):
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(named) == {f"/{name}" for name in NAMES}
    for endpoint in named.values():
        assert len(endpoint["description"]) > 40
        assert all(parameter["type"] for parameter in endpoint["parameters"])
    methods = next(p for p in named["/prune"]["parameters"] if p["parameter_name"] == "method")
    assert methods["type"] == {"enum": list(METHODS)}


def test_all_methods_stream_their_rows(bench, client):
    job = client.submit(PROMPT, model=bench.name, **SHORT, api_name="/compare_all")
    seen = list(job)
    counts = [len(value["rows"]) for value in seen]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1] == len(METHODS) + 1
    assert seen[-1]["underway"] is None
    assert seen[-1]["rows"][0]["method"] == "dense"
    again = client.predict(PROMPT, model=bench.name, **SHORT, api_name="/compare_all")
    assert [row["text"] for row in again["rows"]] == [row["text"] for row in seen[-1]["rows"]]


def test_a_sweep_streams_its_points(bench, client):
    asked = {"methods": ["magnitude", "structured"], "sparsities": [0.8, 0.4], "samples": 8}
    *before, last = client.submit(**asked, model=bench.name, api_name="/sweep")
    assert [(point["method"], point["sparsity"]) for point in last["points"]] == [
        ("dense", 0.0), ("magnitude", 0.4), ("structured", 0.4), ("magnitude", 0.8),
    ]  # fmt: skip
    assert [one["method"] for one in last["missing"]] == ["structured"]
    assert len(before) >= 4


def test_generate_grows(bench, client):
    values = list(client.submit(PROMPT, model=bench.name, gen_length=64, threshold=None, api_name="/generate"))
    forwards = [value["forwards"] for value in values]
    assert forwards == sorted(set(forwards))
    assert forwards[-1] == 64
    assert values[-1] == client.predict(
        PROMPT, model=bench.name, gen_length=64, threshold=None, api_name="/generate"
    ) | {"seconds": values[-1]["seconds"]}


def test_a_cancelled_job_stops_the_work_and_frees_the_model(bench, client, monkeypatch):
    closed = []

    def endless(pruning, calibration, dense=None):
        try:
            while True:
                time.sleep(0.05)
                yield PruneProgress("inputs", 0, 1, (), 1, 2, 0.1)
        finally:
            closed.append(True)

    monkeypatch.setattr(bench, "prune", endless)
    job = client.submit(method="wanda", model=bench.name, api_name="/prune")
    first = next(iter(job))
    assert first["underway"]["phase"] == "inputs"
    job.cancel()
    client.predict(PROMPT, model=bench.name, gen_length=32, api_name="/generate")  # waits in the same line
    assert closed == [True]


REFUSED = [
    ("trace", {"prompt": "a " * 400}, "shorten the prompt"),
    ("trace", {"prompt": "a" * 2000}, "shorten it to at most"),
    ("generate", {"prompt": "  "}, "type a few words"),
    ("generate", {"prompt": ["a"]}, "type a few words"),
    ("generate", {"prompt": "a", "block_length": 40}, "block_length 40 must divide"),
    ("generate", {"prompt": "a", "gen_length": "12"}, "gen_length must be a number"),
    ("generate", {"prompt": "a", "threshold": 0.9, "factor": 1.0}, "set one of them"),
    ("generate", {"prompt": "a", "cache": "all"}, "cache must be one of"),
    ("generate", {"prompt": "a", "seed": -1}, "seed must be"),
    ("generate", {"prompt": "a", "model": "gpt-2"}, "this page runs the model"),
    ("prune", {"sparsity": 1.5}, "sparsity must lie between 0 and 0.9"),
    ("prune", {"sparsity": "half"}, "sparsity must be a number"),
    ("prune", {"method": "random"}, "method must be one of"),
    ("prune", {"pattern": ["2:4"]}, "pattern must be one of"),
    ("prune", {"method": "structured", "sparsity": 0.8}, "removes a share of 0 to 0.7"),
    ("prune", {"method": "structured", "pattern": "2:4"}, "whole channels and heads"),
    ("prune", {"method": "structured", "allocation": "all"}, "allocation must be one of"),
    ("prune", {"samples": 10**9}, "whole number from 1 to 64"),
    ("compare", {"prompt": "", "method": "magnitude"}, "type a few words"),
    ("compare_all", {"prompt": " "}, "type a few words"),
    ("compare_all", {"prompt": "a", "sparsity": 2}, "sparsity must lie between"),
    ("compare_all", {"prompt": "a", "samples": 1000}, "whole number from 1 to 64"),
    ("sweep", {"methods": ["wanda"], "sparsities": [0.95]}, "sparsities must lie between"),
    ("sweep", {"methods": ["random"], "sparsities": [0.5]}, "method must be one of"),
    ("sweep", {"methods": "wanda", "sparsities": [0.5]}, "methods must be a list"),
    ("sweep", {"methods": ["wanda"], "sparsities": ["half"]}, "sparsities must be a list"),
    ("sweep", {"methods": list(METHODS), "sparsities": [0.1, 0.2, 0.3, 0.4]}, "points are too many"),
    ("sweep", {"methods": ["wanda"], "sparsities": [0.5], "scored": "all"}, "what is scored must be one of"),
    ("sweep", {"methods": ["wanda"], "sparsities": [0.5], "scored": "prompt"}, "type a few words"),
]


@pytest.mark.parametrize(("endpoint", "settings", "words"), REFUSED)
def test_what_cannot_be_done_is_said_in_a_sentence(bench, endpoint, settings, words):
    """Without the wire; tests/test_api.py and the test below see that a sentence arrives."""
    with pytest.raises(gr.Error) as refused:
        list(getattr(Endpoints(bench), endpoint)(**{"model": bench.name, **settings}))
    assert words in refused.value.message


@pytest.mark.parametrize(("endpoint", "settings", "words"), [REFUSED[19], REFUSED[-1]])
def test_a_refusal_of_a_table_arrives(bench, client, endpoint, settings, words):
    with pytest.raises(AppError, match=words):
        client.predict(**settings, model=bench.name, api_name=f"/{endpoint}")


def test_the_endpoints_are_tools_of_mcp(bench):
    """Listed with words for every parameter, and called as an assistant would."""
    with gr.Blocks() as demo:
        add_endpoints(bench)
    _, url, _ = demo.queue().launch(prevent_thread_lock=True, quiet=True, mcp_server=True)
    try:
        with ThreadPoolExecutor(1) as apart:  # a running browser keeps this thread's event loop
            tools, answer = apart.submit(asyncio.run, ask_mcp(f"{url}gradio_api/mcp/", bench.name)).result()
    finally:
        demo.close()
    assert [tool.name for tool in tools] == NAMES
    assert all(tool.description and tool.inputSchema["properties"] for tool in tools)
    written = list(Endpoints(bench).generate(PROMPT, gen_length=32, model=bench.name))[-1]
    assert not answer.isError
    assert written["text"] in answer.content[-1].text


async def ask_mcp(url: str, model: str) -> tuple[list, CallToolResult]:
    """(all tools, the answer of generate)."""
    async with streamablehttp_client(url) as (read, write, _), ClientSession(read, write) as session:
        await session.initialize()
        asked = {"prompt": PROMPT, "gen_length": 32, "model": model}
        return (await session.list_tools()).tools, await session.call_tool("generate", asked)
