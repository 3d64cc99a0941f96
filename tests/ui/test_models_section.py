"""The tab "Bring your own model": who may load, what is refused, and that a failed load leaves the page on the model it had."""

import json
import threading

import gradio as gr
import pytest
import torch

from sinkprune.decoding import DecodeConfig, generate
from sinkprune.models import MODELS, encode_prompt
from sinkprune.pruning import CalibrationConfig, PruneConfig
from sinkprune.ui.inputs import DECODING
from sinkprune.ui.sections import models as section
from sinkprune.ui.sections import watch
from sinkprune.ui.server import workbench
from sinkprune.ui.server.workbench import Workbench
from tests.tiny_models import make_tiny, save_tiny


@pytest.fixture
def folders(tmp_path):
    for name in ("first", "second"):
        save_tiny(tmp_path / name)
    return tmp_path


@pytest.fixture
def bench(folders):
    return Workbench(str(folders / "first"))


@pytest.fixture
def own(monkeypatch):
    monkeypatch.setenv(section.OWN_MODELS, "1")
    monkeypatch.delenv("SPACE_ID", raising=False)


@pytest.mark.parametrize(
    ("value", "space", "allowed"),
    [(None, None, False), ("0", None, False), ("1", None, True), ("1", "someone/space", False)],
)
def test_only_the_owner_of_a_private_server_may_allow_it(monkeypatch, value, space, allowed):
    for name, setting in ((section.OWN_MODELS, value), ("SPACE_ID", space)):
        monkeypatch.delenv(name, raising=False)
        if setting is not None:
            monkeypatch.setenv(name, setting)
    assert section.own_models_allowed() == allowed


def blocks_of(bench):
    with gr.Blocks() as demo:
        section.models_section(bench, gr.Tab())
    return demo


def test_a_shared_server_has_nothing_to_press(monkeypatch, bench):
    monkeypatch.delenv(section.OWN_MODELS, raising=False)
    demo = blocks_of(bench)
    assert not any(isinstance(block, gr.Button | gr.Textbox) for block in demo.blocks.values())
    assert all(event.concurrency_id != "model" for event in demo.fns.values())
    with pytest.raises(gr.Error, match="does not let visitors load"):
        list(section._load(bench, "bundled", ""))


def test_loading_waits_in_the_line_of_all_that_runs_the_model(own, bench):
    loads = [event for event in blocks_of(bench).fns.values() if event.concurrency_id == "model"]
    assert len(loads) == 2  # the button, and Enter
    assert all(event.api_visibility == "private" for event in loads)


def said(steps):
    return [line for line, _ in steps]


def test_a_model_is_switched_and_copies_of_the_old_one_go(own, bench, folders):
    old = bench.loaded
    list(bench.prune(PruneConfig("magnitude", 0.5), CalibrationConfig()))
    assert bench.store.keys()
    lines = said(section._load(bench, str(folders / "second"), ""))
    assert "Loading" in lines[0]
    assert "This page now runs second" in lines[-1]
    assert (bench.name, bench.loaded.spec.name, bench.store.keys()) == ("second", "second", [])
    assert bench.loaded is not old
    assert bench.find("second") is bench.loaded
    assert bench.find("first") is None
    again = generate(old, encode_prompt(old, "ab"), DecodeConfig(gen_length=8, block_length=8, steps=4))
    assert again.tokens.shape == (1, 10)  # whoever still writes with it can


def test_a_layer_that_the_new_model_lacks_becomes_the_mean(bench):
    values = DECODING | {"gen_length": 32, "rule": "one", "prompt": "ab", "both": True, "layer": 7, "seen": True}
    *_, last = watch._live_run(bench, None, values)
    layers = last["layer"]
    assert layers.value == 0
    assert [value for _, value in layers.choices] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no-such-model", "unknown model"),
        ("diffusiongemma-26b", "cannot run here"),
        ("empty", "no config.json"),
        ("cut", "cut short"),
        ("reference", "only writes from left to right"),
        ("wordless", "has no tokenizer files"),
        ("pointer", "tokenizer.json in"),
        ("odd", "hidden_act"),
        ("nan", "NaN or infinity"),
    ],
)
def test_a_failed_load_keeps_the_model_and_says_why(own, bench, folders, name, message):
    (folders / "empty").mkdir()
    for broken in ("cut", "reference", "pointer", "odd", "nan"):
        save_tiny(folders / broken)
    make_tiny().model.save_pretrained(folders / "wordless")
    weights = folders / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    config = folders / "reference" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"causal_only": True}))
    (folders / "pointer" / "tokenizer.json").write_text("version https://git-lfs.github.com/spec/v1\n")
    odd = folders / "odd" / "config.json"
    odd.write_text(json.dumps(json.loads(odd.read_text()) | {"hidden_act": "<b>"}))
    numbers = make_tiny().model
    numbers.lm_head.weight[9] = float("nan")
    numbers.save_pretrained(folders / "nan")
    old, folder = bench.loaded, folders / name
    lines = said(section._load(bench, str(folder) if folder.exists() else name, ""))
    assert message in lines[-1]
    assert "This page keeps" in lines[-1]
    assert bench.loaded is old
    assert bench.find(bench.name) is old


@pytest.mark.parametrize("name", ["", "   ", None, 5, "a" * 400, "a\nb"])
def test_names_are_bounded(own, bench, name):
    (line,) = said(section._load(bench, name, ""))
    assert "Not loaded" in line
    assert "model's name" in line.replace("&#x27;", "'")


def test_unknown_forms_are_refused(own, bench):
    (line,) = said(section._load(bench, "bundled", "int3"))
    assert "Not loaded" in line
    assert "int8 or nf4" in line


def test_hostile_names_are_shown_as_text(own, bench):
    lines = said(section._load(bench, "<img src=x onerror=alert(1)>", ""))
    assert not any("<img" in line for line in lines)


def test_one_load_at_a_time(monkeypatch, bench, folders):
    inside, go = threading.Event(), threading.Event()
    loaded = bench.loaded  # before `_load` is another one: the first to ask begins to load

    def slow(name, quantize=None):
        inside.set()
        go.wait(10)
        return loaded

    monkeypatch.setattr(workbench, "_load", slow)
    first = threading.Thread(target=bench.switch, args=("second",))
    first.start()
    inside.wait(10)
    with pytest.raises(ValueError, match="another model is being loaded"):
        bench.switch("third")
    go.set()
    first.join()
    bench.switch("third")


def test_a_quantised_model_has_a_name_of_its_own(bench, folders):
    bench.switch(str(folders / "second"), "int8")
    assert bench.name == "second (int8)"
    assert bench.loaded.model.model.layers[0].mlp.up_proj.weight.dtype == torch.int8


def test_only_the_registrys_models_have_a_public_name(bench, folders):
    """Known before it is loaded, and not by a folder that merely has the name of an entry."""
    assert Workbench("GSAI-ML/LLaDA-8B-Base").public_name == "llada-8b-base"
    assert Workbench("somebody/something").public_name is None
    assert bench.public_name is None
    save_tiny(folders / "llada-1.5")
    bench.switch(str(folders / "llada-1.5"))
    assert (bench.name, bench.public_name, bench.loaded.spec.public_name) == ("llada-1.5", None, None)


@pytest.mark.bundled
def test_a_quantised_model_of_the_registry_is_another_one_in_public(bench):
    bench.switch("bundled", "int8")
    assert bench.public_name == bench.loaded.spec.public_name == "bundled (int8)"


def test_the_table_names_every_model_its_link_and_its_reason():
    table = section._table("nf4")
    for info in MODELS.values():
        assert f"<code>{info.name}</code>" in table
        assert not isinstance(info.source, str) or f"https://huggingface.co/{info.source}" in table
    assert "no MASK token" in table
    assert section._table("nonsense") == section._table("")


@pytest.mark.parametrize(("count", "words"), [(1, "CPU, 1 thread"), (2, "CPU, 2 threads")])
def test_the_machine_is_named_in_words(bench, monkeypatch, count, words):
    monkeypatch.setattr(torch, "get_num_threads", lambda: count)
    assert bench.machine == words
