"""The registry: what it says about sizes, what it refuses, and every way in which fetching from the hub can fail."""

import json
import re

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from sinkprune.models import MODELS, load_model, sizes
from sinkprune.models.layouts import convert_config
from sinkprune.models.registry import find_model
from sinkprune.models.sizes import empty_model, needs, too_large
from tests.tiny_models import FIXTURES, make_tiny

SIZED = [info for info in MODELS.values() if info.shape]
CPU = torch.device("cpu")


@pytest.mark.parametrize("info", SIZED, ids=lambda info: info.name)
def test_computed_sizes_are_the_published_ones(info):
    config, _ = convert_config({"mask_token_id": 0, **dict(info.defaults), **info.shape})
    empty = empty_model(config)
    whole = needs(empty, torch.bfloat16)
    assert whole.parameters / 1e9 == pytest.approx(info.parameters, rel=0.02)
    assert whole.load == pytest.approx(2 * whole.parameters, rel=1e-5)  # and a few rotary frequencies
    quantised = [needs(empty, torch.bfloat16, kind).load for kind in ("int8", "nf4")]
    assert whole.load > quantised[0] > quantised[1] > 0.25 * whole.load
    assert all(parameter.is_meta for parameter in empty.parameters())


def test_every_entry_says_what_it_is():
    for info in MODELS.values():
        assert info.title
        assert info.parameters > 0
        assert bool(info.refusal) != bool(info.shape) or info.name == "bundled", info.name
        assert info.revision is None or re.fullmatch("[0-9a-f]{40}", info.revision)


def test_needs_of_a_real_model_are_its_bytes():
    for tied in (False, True):
        loaded = make_tiny(tie_word_embeddings=tied)
        parameters = list(loaded.model.parameters())
        computed = needs(empty_model(loaded.model.config), torch.float32)
        assert computed.load == sum(t.nbytes for t in (*parameters, *loaded.model.buffers()))
        assert computed.parameters == loaded.parameters


def test_hub_ids_with_and_without_a_revision():
    assert find_model("GSAI-ML/LLaDA-8B-Base") is MODELS["llada-8b-base"]
    other = find_model("GSAI-ML/LLaDA-8B-Base@abc")
    assert (other.source, other.revision) == ("GSAI-ML/LLaDA-8B-Base", "abc")
    assert dict(other.defaults)["mask_token_id"] == 126336
    assert find_model("somebody/something").revision is None


@pytest.mark.parametrize("name", ["fast-dllm-v2-1.5b", "Efficient-Large-Model/Fast_dLLM_v2_1.5B", "diffusiongemma-26b"])
def test_what_does_not_fit_the_engine_is_refused_with_the_reason(name):
    with pytest.raises(ValueError, match=r"cannot run here: it (reads|has)"):
        load_model(name)


def hub_error(kind, text):
    return lambda *_, **__: (_ for _ in ()).throw(kind(text, response=httpx_response()))


def httpx_response():
    import httpx

    return httpx.Response(404, request=httpx.Request("GET", "https://huggingface.co"))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (GatedRepoError, r"'some/model' is gated: accept its licence at .*some/model.*HF_TOKEN"),
        (RepositoryNotFoundError, r"the hub has no model 'some/model'"),
        (RevisionNotFoundError, r"'some/model' has no revision 'v9'"),
    ],
)
def test_what_the_hub_refuses_becomes_a_sentence(monkeypatch, kind, message):
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hub_error(kind, "no"))
    with pytest.raises(ValueError, match=message) as error:
        load_model("some/model@v9")
    assert "bundled" in str(error.value)


def test_without_a_network_the_sentence_says_so(monkeypatch):
    def fail(*_, **__):
        raise LocalEntryNotFoundError("Cannot find the requested files in the disk cache\nand more")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(ValueError, match=r"could not be fetched.*disk cache.*check the network"):
        load_model("some/model")


def hub_with(monkeypatch, tmp_path, raw):
    (tmp_path / "config.json").write_text(json.dumps(raw))
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *_, **__: str(tmp_path / "config.json"))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: pytest.fail("weights were fetched"))


def test_too_little_memory_is_said_before_the_download(monkeypatch, tmp_path):
    hub_with(monkeypatch, tmp_path, MODELS["llada-8b-instruct"].shape)
    monkeypatch.setattr(sizes, "free_memory", lambda device: 6 * 2**30)
    with pytest.raises(
        ValueError, match=r"LLaDA 8B Instruct needs .* GiB .* 6\.0 GiB free: load it with quantize='nf4'"
    ):
        load_model("llada-8b-instruct", device="cpu", dtype=torch.bfloat16)
    monkeypatch.setattr(sizes, "free_memory", lambda device: 2**30)
    with pytest.raises(ValueError, match="use a larger machine or a smaller model"):
        load_model("llada-8b-instruct", device="cpu", quantize="nf4")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"model_type": "mixtral"}, "model_type 'mixtral' cannot run here"),
        ({"model_type": "llada"}, "lacks what a model of type 'llada' needs"),
        (
            MODELS["qwen2.5-0.5b"].shape | {"quantization_config": {"quant_method": "gptq"}},
            "stored quantised.*`quantize`",
        ),
    ],
)
def test_what_cannot_run_is_refused_before_the_download(monkeypatch, tmp_path, raw, message):
    hub_with(monkeypatch, tmp_path, raw)
    with pytest.raises(ValueError, match=message):
        load_model("some/model")


def test_free_memory_is_that_of_the_container(monkeypatch, tmp_path):
    whole = sizes.free_memory(CPU)
    assert whole > 0
    (tmp_path / "limit").write_text("1000\n")
    monkeypatch.setattr(sizes, "_LIMITS", (tmp_path / "limit", tmp_path / "none"))
    assert sizes.free_memory(CPU) == 0
    (tmp_path / "limit").write_text("max\n")
    assert sizes.free_memory(CPU) > 0
    assert too_large(empty_model(make_tiny().model.config), torch.float32, None, CPU) == ""


def test_the_pinned_revision_is_what_is_asked_for(monkeypatch, tmp_path):
    asked = []

    def download(hub_id, *_, revision=None, **__):
        asked.append((hub_id, revision))
        return str(FIXTURES / "tiny-llada" / "config.json")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(
        huggingface_hub,
        "snapshot_download",
        lambda *args, **options: str(FIXTURES / "tiny-llada") if download(*args, **options) else "",
    )
    loaded = load_model("llada-8b-instruct", device="cpu")
    info = MODELS["llada-8b-instruct"]
    assert asked == [(info.source, info.revision)] * 2
    assert (loaded.spec.name, loaded.spec.chat_format) == ("llada-8b-instruct", "template")
