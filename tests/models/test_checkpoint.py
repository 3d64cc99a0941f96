"""Headers of safetensors files: the same facts the library reads, and every broken checkpoint refused with the names of what is missing."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from sinkprune.models import load_model
from sinkprune.models.checkpoint import stored_dtype, stored_tensors
from tests.models.test_loading import write_llada
from tests.tiny_models import FIXTURES, make_tiny


def test_headers_say_what_the_library_says(tmp_path):
    weights = write_llada(tmp_path, make_tiny(), shards=3)
    found = stored_tensors(tmp_path)
    assert found.keys() == weights.keys()
    for file in tmp_path.glob("*.safetensors"):
        with safe_open(file, "pt") as stored:
            for name in weights.keys() & set(stored.keys()):
                part = stored.get_slice(name)
                assert (found[name].dtype, found[name].shape) == (part.get_dtype(), tuple(part.get_shape()))
                assert found[name].bytes == weights[name].nbytes


def test_the_dtype_is_that_of_most_bytes(tmp_path):
    save_file(
        {"a": torch.zeros(4, dtype=torch.float32), "b": torch.zeros(64, dtype=torch.bfloat16)},
        tmp_path / "x.safetensors",
    )
    assert stored_dtype(stored_tensors(tmp_path)) == torch.bfloat16
    save_file({"a": torch.zeros(4), "b": torch.zeros(64, dtype=torch.uint8)}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="stored as U8, quantised or packed"):
        stored_dtype(stored_tensors(tmp_path))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sixteen_bits_are_read_as_they_are(tmp_path, dtype):
    original = make_tiny()
    original.model.to(dtype)
    write_llada(tmp_path, original, shards=2)
    loaded = load_model(tmp_path, device="cpu", dtype=dtype)
    ours, theirs = loaded.model.state_dict(), original.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def cut(path, keep: float):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])


def test_a_cut_file_names_what_it_lost(tmp_path):
    write_llada(tmp_path, make_tiny())
    cut(tmp_path / "model.safetensors", 0.9)
    with pytest.raises(ValueError, match=r"cut short: missing .*model\.transformer\.wte\.weight, wholly or in part"):
        load_model(tmp_path)
    cut(tmp_path / "model.safetensors", 0.2)
    with pytest.raises(ValueError, match=r"missing .*, .* and \d+ more …, wholly"):
        load_model(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not a checkpoint at all")
    with pytest.raises(ValueError, match="damaged or cut short"):
        load_model(tmp_path)


def test_a_lost_shard_names_its_tensors(tmp_path):
    write_llada(tmp_path, make_tiny(), shards=3)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())["weight_map"]
    (tmp_path / "model-00002-of-00003.safetensors").unlink()
    first = min(name for name, file in index.items() if file.startswith("model-00002"))
    with pytest.raises(ValueError, match=rf"model-00002-of-00003.safetensors is missing.*{first}"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({"weight_map": {"a": "part.safetensors", "lost.weight": "part.safetensors"}}, r"missing lost\.weight"),
        ({"weight_map": {"a": "../part.safetensors"}}, "outside its folder"),
        ({"weights": {}}, "no index"),
        ([1], "no index"),
    ],
)
def test_an_index_that_lies(tmp_path, index, message):
    save_file({"a": torch.zeros(2)}, tmp_path / "part.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=message):
        stored_tensors(tmp_path)


def test_wrong_shapes_are_named_before_anything_is_read(tmp_path):
    weights = write_llada(tmp_path, make_tiny())
    save_file(weights | {"model.transformer.ln_f.weight": torch.ones(31)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"of another shape model\.norm\.weight \[31\] instead of \[32\]"):
        load_model(tmp_path)


def test_a_file_of_another_checkpoint_beside_an_index_is_left_alone(tmp_path):
    original = make_tiny()
    write_llada(tmp_path, original, shards=2)
    save_file({"other": torch.zeros(3)}, tmp_path / "consolidated.safetensors")
    ids = torch.randint(4, 64, (1, 6))
    with torch.inference_mode():
        torch.testing.assert_close(load_model(tmp_path).model(ids).logits, original.model(ids).logits)


def test_the_shared_fixtures_are_whole():
    for name in ("tiny-llada", "tiny-dream"):
        assert stored_tensors(FIXTURES / name)
