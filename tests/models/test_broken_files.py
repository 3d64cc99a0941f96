"""Files of a checkpoint that cannot be used: each is refused while loading, in one sentence that names the file."""

import json
import shutil

import pytest
import torch

from sinkprune.cli import main
from sinkprune.models import encode_prompt, load_model
from sinkprune.models.attention import ATTENTION_NAME
from tests.models.test_loading import write_llada
from tests.tiny_models import MASK, VOCABULARY, make_tiny, save_tiny

POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'4d7a2146' * 8}\nsize 9085657\n"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    save_tiny(folder)
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    """A copy of a model to break."""
    shutil.copytree(whole, tmp_path / "model")
    return tmp_path / "model"


def refusal(folder) -> str:
    with pytest.raises(ValueError, match=r"\w") as error:
        load_model(folder)
    sentence = str(error.value)
    assert "\n" not in sentence
    assert len(sentence) < 700
    return sentence


def change(path, **entries):
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def later_version(path):
    content = json.loads(path.read_text())
    content["pre_tokenizer"] = {"type": "ReadThoughts"}
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("file", "spoil", "words"),
    [
        ("tokenizer.json", later_version, "later version"),
        ("tokenizer.json", lambda path: path.write_text(POINTER), "Git LFS pointer"),
        ("tokenizer.json", lambda path: path.write_text(path.read_text()[:300]), "cut short"),
        ("tokenizer.json", lambda path: path.write_text(""), "cut short"),
        ("tokenizer.json", lambda path: path.write_text("[]"), "one JSON object"),
        ("tokenizer.json", lambda path: path.write_text("{}"), "cannot be used"),
        ("tokenizer.json", lambda path: path.write_bytes(b"\xff\xfe\x00"), "not JSON"),
        ("tokenizer.json", lambda path: path.write_text("[" * 100_000), "not JSON"),
        ("tokenizer_config.json", lambda path: path.write_text("[]"), "one JSON object"),
        ("tokenizer_config.json", lambda path: path.write_text("{"), "cut short"),
        ("tokenizer_config.json", lambda path: change(path, eos_token=7), "cannot be used"),
        ("special_tokens_map.json", lambda path: path.write_text('"x"'), "one JSON object"),
        ("generation_config.json", lambda path: path.write_text("[]"), "one JSON object"),
        ("generation_config.json", lambda path: path.write_text('{"eos_token_id": ["</s>"]}'), "eos_token_id"),
        ("config.json", lambda path: path.write_text("[]"), "one JSON object"),
        ("config.json", lambda path: path.write_text(POINTER), "Git LFS pointer"),
        ("model.safetensors", lambda path: path.write_text(POINTER), "Git LFS pointer"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(folder, file, spoil, words):
    spoil(folder / file)
    sentence = refusal(folder)
    assert file in sentence
    assert words in sentence


@pytest.mark.parametrize(
    ("entries", "key"),
    [
        ({"hidden_act": "snake"}, "hidden_act"),
        ({"hidden_act": 3}, "hidden_act"),
        ({"rope_parameters": {"rope_type": "spiral", "rope_theta": 1e4}}, "rope_type"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "rope_parameters"),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": -1}}, "rope_theta"),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": "big"}}, "rope_theta"),
        ({"rope_parameters": [1]}, "rope_parameters"),
        ({"eos_token_id": []}, "eos_token_id"),
        ({"eos_token_id": "2"}, "eos_token_id"),
        ({"eos_token_id": VOCABULARY}, "eos_token_id"),
        ({"eos_token_id": [2, -1]}, "eos_token_id"),
        ({"eos_token_id": MASK}, "same id"),
        ({"mask_token_id": True}, "mask_token_id"),
        ({"mask_token_id": 3.0}, "mask_token_id"),
        ({"begin_token_id": VOCABULARY}, "begin_token_id"),
        ({"pad_token_id": 999}, "config.json"),
        ({"num_attention_heads": 5, "num_key_value_heads": 5, "head_dim": None}, "32"),
        ({"num_key_value_heads": 3}, "key-value heads"),
        ({"hidden_size": "32"}, "hidden_size"),
        ({"hidden_size": 32.0}, "hidden_size"),
        ({"hidden_size": -32}, "hidden_size"),
        ({"head_dim": 0}, "head_dim"),
        ({"head_dim": 7}, "head_dim"),
        ({"num_hidden_layers": 0}, "num_hidden_layers"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers"),
        ({"vocab_size": 0}, "vocab_size"),
        ({"max_position_embeddings": 0}, "max_position_embeddings"),
        ({"max_position_embeddings": None}, "max_position_embeddings"),
        ({"rms_norm_eps": "small"}, "rms_norm_eps"),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings"),
        ({"dtype": "float33"}, "dtype"),
        ({"torch_dtype": "int8"}, "torch_dtype"),
        ({"model_type": ["llama"]}, "model_type"),
        ({"model_type": None}, "model_type"),
        ({"chat_format": "morse"}, "chat_format"),
        ({"causal_lm": "false"}, "causal_lm"),
        ({"shift_logits": 1}, "shift_logits"),
        ({"model_type": "qwen3", "layer_types": ["sliding_attention"] * 3}, "full attention"),
    ],
)
def test_a_config_value_that_no_model_can_have_is_named(folder, entries, key):
    change(folder / "config.json", **entries)
    sentence = refusal(folder)
    assert "config.json" in sentence
    assert key in sentence


@pytest.mark.parametrize(
    ("entries", "key"),
    [
        ({"n_heads": "4"}, "config.json"),
        ({"n_heads": 0}, "config.json"),
        ({"n_heads": None}, "config.json"),
        ({"d_model": [32]}, "config.json"),
        ({"rope_theta": "x"}, "could not convert"),
        ({"rope_theta": 0}, "rope_theta"),
        ({"n_layers": 2.5}, "config.json"),
        ({"mlp_hidden_size": None, "mlp_ratio": "4"}, "config.json"),
        ({"max_sequence_length": -1}, "max_position_embeddings"),
        ({"block_type": "sequential"}, "block_type"),
        ({"eos_token_id": []}, "eos_token_id"),
    ],
)
def test_the_original_layouts_values_are_named_too(tmp_path, entries, key):
    write_llada(tmp_path / "model", make_tiny(), **entries)
    sentence = refusal(tmp_path / "model")
    assert "config.json" in sentence
    assert key in sentence


def test_an_index_that_is_a_pointer_is_named(folder):
    (folder / "model.safetensors").rename(folder / "part.safetensors")
    (folder / "model.safetensors.index.json").write_text(POINTER)
    assert "Git LFS pointer" in refusal(folder)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": 5}}')
    assert "outside its folder" in refusal(folder)


TURN = "{% for m in messages %}{{ m['content'] }}{% endfor %}"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ raise_exception('roles must alternate') }}", "roles must alternate"),
        ("{% for m in messages %}{{ m['content'] }}", "cannot be used"),
        ("{{ messages[0].content.wisdom.depth }}", "cannot be used"),
        ("{{ unheard_of(messages) }}", "cannot be used"),
        (TURN.replace("['content']", "['content'] | lower"), "changes or drops the prompt"),
        (TURN.replace("['content']", "['content'] | e"), "changes or drops the prompt"),
        (TURN.replace("['content']", "['content'] | truncate(9)"), "changes or drops the prompt"),
        ("nothing of it", "changes or drops the prompt"),
        ("{{ nowhere }}", "changes or drops the prompt"),
        (TURN + TURN, "repeats the prompt 2 times"),
        (None, "cannot be used"),
    ],
)
def test_a_chat_template_must_hold_the_prompt_once_and_unchanged(folder, template, words):
    change(folder / "config.json", chat_format="template")
    if template is not None:
        (folder / "chat_template.jinja").write_text(template)
    sentence = refusal(folder)
    assert "chat_template.jinja" in sentence
    assert words in sentence


def test_a_good_template_loads(folder):
    change(folder / "config.json", chat_format="template")
    (folder / "chat_template.jinja").write_text(f"ask {TURN} answer")
    loaded = load_model(folder)
    ids = encode_prompt(loaded, "why")
    assert loaded.tokenizer.decode(ids[0]).replace(" ", "") == "askwhyanswer"


@pytest.mark.parametrize("device", ["potato", "cuda", "cuda:7", "mps", "meta", "", "cpu:x", 5, "xla"])
def test_an_unknown_device_is_a_sentence(folder, device):
    if torch.cuda.is_available() and device == "cuda":
        pytest.skip("it is there")
    with pytest.raises(ValueError, match=r"device|GPU"):
        load_model(folder, device=device)


@pytest.mark.parametrize(
    "options",
    [{"device_map": "everywhere"}, {"device_map": {"": "potato"}}, {"dtype": torch.int8}, {"dtype": "float32"}],
)
def test_other_places_and_dtypes_are_sentences(folder, options):
    with pytest.raises(ValueError, match=r"device|dtype"):
        load_model(folder, **options)


@pytest.mark.parametrize(
    "command", [["generate", "hi"], ["evaluate"], ["trace", "hi", "--output", "x.json"], ["compare", "hi"], ["prune"]]
)
def test_every_command_says_it(folder, command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*command, "--model", str(folder), "--device", "potato"]) == 2
    (folder / "tokenizer.json").write_text(POINTER)
    assert main([*command, "--model", str(folder)]) == 2
    said = capsys.readouterr().err
    assert "Git LFS pointer" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "key",
    [
        "attn_implementation",
        "_attn_implementation",
        "_attn_implementation_internal",
        "experts_implementation",
        "auto_map",
    ],
)
def test_a_config_cannot_choose_whose_code_runs(folder, key, monkeypatch):
    def fail(*arguments, **options):
        raise AssertionError("asked the hub")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fail)
    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    change(folder / "config.json", **{key: {"AutoModel": "evil.Model"} if key == "auto_map" else "someone/kernel"})
    assert load_model(folder).model.config._attn_implementation == ATTENTION_NAME


def test_end_tokens_are_those_of_both_files(folder):
    change(folder / "config.json", eos_token_id=[2, 5])
    (folder / "generation_config.json").write_text('{"eos_token_id": [7, 2]}')
    spec = load_model(folder).spec
    assert spec.eos_token_id == 2
    assert spec.end_token_ids == {2, 5, 7}
