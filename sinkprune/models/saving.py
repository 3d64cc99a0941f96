"""save_model: a loaded model, pruned or not, back into a folder in the layout it came from, so that its official tools read it.

The checkpoint it was loaded from is the pattern: the same files, tensor names, shapes and dtypes, with the values of the model in memory.
Only a model that a structured cut made smaller differs: no original layout has uneven layers, so it is saved in this project's plain
one, and loads here alone.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from sinkprune.models.hub import model_folder
from sinkprune.models.registry import find_model
from sinkprune.models.spec import LoadedModel
from sinkprune.models.widths import WIDTHS_KEY

# What a checkpoint is read with; what somebody wrote about the dense model stays behind. Code is copied as text, and never run here.
COPIED = (
    *("config.json", "generation_config.json", "*.index.json"),
    *("tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt", "chat_template*"),
    *("*.py", "LICENSE*"),
)


def save_model(loaded: LoadedModel, name_or_path: str | Path, folder: str | Path) -> str:
    """Write `loaded`, which was loaded from `name_or_path`, into `folder`; returns the layout's name, "original" or "plain".

    Weights get the dtype they have on disk there; tokenizer files and config.json are copied (with what the registry adds to the config).
    Raises ValueError where `folder` is not new or empty, for quantised weights, and where the model does not fit the checkpoint.
    """
    target = check_target(folder)
    info = find_model(name_or_path)
    source, _ = model_folder(info)
    _check_savable(loaded)
    cut = hasattr(loaded.model.config, WIDTHS_KEY)
    shards, state = sorted(source.glob("*.safetensors")), loaded.model.state_dict()
    if not cut:
        for shard in shards:
            _check_fits(shard, state)
    target.mkdir(parents=True, exist_ok=True)
    try:
        for path in sorted(path for pattern in COPIED for path in source.glob(pattern)):
            shutil.copyfile(path, target / path.name)
        if cut:
            (target / "model.safetensors.index.json").unlink(missing_ok=True)
            loaded.model.save_pretrained(target)
            return "plain"
        _complete_config(target / "config.json", dict(info.defaults))
        for shard in shards:
            _save_shard(shard, target / shard.name, state)
    except BaseException:  # half a model must not be left behind, whoever stopped it
        shutil.rmtree(target)
        raise
    return "original"


def check_target(folder: str | Path) -> Path:
    """`folder` as a path, if a model may be written there: it is new or empty. ValueError otherwise."""
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"{target} exists and is not an empty folder: choose another one to save into")
    return target


def _check_savable(loaded: LoadedModel) -> None:
    for name, parameter in loaded.model.named_parameters():
        if not parameter.is_floating_point():
            raise ValueError(
                f"{name} is quantised: save the model before quantising, and load the copy with `quantize`"
            )
        if parameter.is_meta:
            raise ValueError(f"{name} is offloaded: load the model without an offloading device_map to save it")


def _complete_config(path: Path, defaults: dict) -> None:
    """Add the entries that only the registry knows, such as the chat format: the copy will be loaded by its folder's name."""
    config = json.loads(path.read_text(encoding="utf-8"))
    missing = {key: value for key, value in defaults.items() if key not in config}
    if missing:
        path.write_text(json.dumps(config | missing, indent=2) + "\n", encoding="utf-8")


def _check_fits(shard: Path, state: dict[str, torch.Tensor]) -> None:
    with safe_open(shard, "pt") as stored:
        names = stored.keys()
        for name in names:
            here = state.get(_name_here(name))
            if here is None or list(here.shape) != stored.get_slice(name).get_shape():
                raise ValueError(f"{name} in {shard} has no equal in the model: was it loaded from there?")


def _save_shard(source: Path, target: Path, state: dict[str, torch.Tensor]) -> None:
    """One file of the checkpoint, its tensors replaced by the model's."""
    with safe_open(source, "pt") as stored:
        names = stored.keys()
        tensors = {
            name: state[_name_here(name)].detach().to("cpu", stored.get_tensor(name).dtype, copy=True) for name in names
        }
        metadata = stored.metadata()
    save_file(tensors, target, metadata)
    shutil.copymode(source, target)


def _name_here(name: str) -> str:
    """The transformers name of a tensor of any layout."""
    from sinkprune.models.layouts import LLADA_NAMES  # its configs are slow to import

    for pattern, replacement in LLADA_NAMES.items():
        renamed, count = re.subn(pattern, replacement, name)
        if count:
            return renamed
    return name
