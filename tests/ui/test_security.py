"""What a hostile client meets: bounds before anything is read, headers, names that reach no file and no hub, and no pickle ever opened."""

import builtins
import json
import pickle

import gradio as gr
import pytest
import torch
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from sinkprune.models import load_model
from sinkprune.models.registry import find_model
from sinkprune.ui.page import LAUNCH
from sinkprune.ui.sections import watch
from sinkprune.ui.sections.models import check_name
from sinkprune.ui.server.web_guard import MOST_BYTES, WebGuard
from tests.tiny_bench import tiny_bench
from tests.tiny_models import save_tiny


@pytest.fixture
def client():
    """An app that reads the whole body, behind the guard that the page is launched with."""

    async def read(request):
        return PlainTextResponse(str(len(await request.body())))

    return TestClient(Starlette(routes=[Route("/", read, methods=["GET", "POST"])], middleware=[Middleware(WebGuard)]))


def test_the_page_is_launched_behind_the_guard():
    assert [entry.cls for entry in LAUNCH["app_kwargs"]["middleware"]] == [WebGuard]
    with gr.Blocks() as demo:
        gr.Textbox()
    with TestClient(gr.routes.App.create_app(demo, app_kwargs=LAUNCH["app_kwargs"])) as served:
        answer = served.get("/config")
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_large_requests_are_refused_before_they_are_read(client):
    assert client.post("/", content=b"x" * 1000).text == "1000"
    assert client.post("/", content=b"x", headers={"content-length": str(MOST_BYTES + 1)}).status_code == 413

    def pieces():
        for _ in range(MOST_BYTES // 2**20 + 2):
            yield b"x" * 2**20

    answer = client.post("/", content=pieces())  # chunked: nobody says how long it is
    assert (answer.status_code, "larger than 32 MB" in answer.text) == (413, True)


def test_headers_suit_an_iframe_of_spaces_and_bind_nobody_else(client, monkeypatch):
    answer = client.get("/")
    assert "x-frame-options" not in answer.headers
    assert "content-security-policy" not in answer.headers
    assert answer.headers["referrer-policy"] == "strict-origin-when-cross-origin"
    monkeypatch.setenv("SPACE_ID", "someone/sinkprune")
    policy = client.get("/").headers["content-security-policy"]
    assert "https://huggingface.co" in policy
    assert "frame-ancestors" in policy


HOSTILE_NAMES = (
    *(
        "../../etc/passwd",
        "/etc/passwd",
        "owner/name/../..",
        "owner/..",
        "../name",
        "a/b@../../x",
        "a/b@x y",
        "file:///etc",
        "~/x",
    ),
    *(
        "http://127.0.0.1/x",
        "owner/name?x=1",
        "owner/name#x",
        "owner\\name",
        "a\n/b",
        "a/b\n",
        "\0",
        "x" * 5000,
        "-a/b",
        "a/%2e%2e",
        "ä/ö",
    ),
)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_name_that_is_no_models_reaches_neither_hub_nor_file(name, monkeypatch):
    def fail(*arguments, **options):
        raise AssertionError("asked the hub")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fail)
    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(ValueError, match="unknown model") as error:
        load_model(name)
    assert len(str(error.value)) < 1500


@pytest.mark.parametrize("name", [None, 5, "", " ", "x" * 301, "a\nb", "a\x00b", ["a"]])
def test_the_pages_form_checks_names_first(name):
    with pytest.raises(ValueError, match="name"):
        check_name(name)


@pytest.mark.parametrize(
    "name", ["a/b", "GSAI-ML/LLaDA-8B-Base", "owner/name@main", "o_1/n.2-x@refs/pr/3", "a/b@0f2787f2d87eac5e"]
)
def test_hub_ids_are_known(name):
    assert find_model(name).source == name.partition("@")[0]


def test_an_endpoint_serves_its_own_model_only(tmp_path):
    bench = tiny_bench(tmp_path)
    for name in HOSTILE_NAMES:
        with pytest.raises(ValueError, match="use that name"):
            bench.check_model(name)


class Trap:
    """What a pickle would run."""

    def __reduce__(self):
        return (builtins.exec, ("raise SystemExit('a pickle was opened')",))


def test_no_pickle_is_ever_opened(tmp_path, monkeypatch):
    save_tiny(tmp_path)
    content = pickle.dumps(Trap())
    for name in (
        "pytorch_model.bin",
        "training_args.bin",
        "optimizer.pt",
        "scheduler.pt",
        "rng_state.pth",
        "model.ckpt",
        "tf_model.h5",
    ):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": {"a": "pytorch_model.bin"}}))

    def fail(*arguments, **options):
        raise AssertionError("opened a pickle")

    for owner, name in ((pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (torch, "load")):
        monkeypatch.setattr(owner, name, fail)
    assert load_model(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "other.bin")
    with pytest.raises(ValueError, match="only safetensors"):
        load_model(tmp_path)


def test_an_upload_is_measured_before_it_is_read(tmp_path, monkeypatch):
    with (tmp_path / "run.json").open("wb") as stream:
        stream.truncate(2**40)  # a file of holes
    assert "larger than 64 MB" in watch._open_saved(str(tmp_path / "run.json"))["status"]
