"""save_model: a loaded model, pruned or not, back into a folder in the layout it came from, so that its official tools read it.

The checkpoint that the model was loaded from is the pattern for files, tensor names, shapes and dtypes. The values are the model's in
memory. A model made smaller by a structured cut is the one exception: no original layout has uneven layers. Such a model is saved
in this project's plain layout and loads here alone. It keeps the checkpoint's files and dtypes.

Beside the weights go along what a checkpoint is read with, code as text that is never run here, and licences, folders of these included.
Other files, such as a README about the dense model or weights that were not loaded, are left behind.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from sinkprune.models.checkpoint import checkpoint_files, is_computed, renamed, stored_dtype, stored_tensors
from sinkprune.models.hub import model_folder
from sinkprune.models.registry import find_model
from sinkprune.models.spec import LoadedModel
from sinkprune.models.widths import WIDTHS_KEY
from sinkprune.models.writing import check_room, check_target, json_text, whole_folder

CARRIED = (
    *("config.json", "generation_config.json"),
    *("tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt", "*chat_template*"),
    *("*.py", "LICENSE*", "LICENCE*", "NOTICE*", "COPYING*"),
)
INDEX = "model.safetensors.index.json"
RECORD = "sinkprune.json"


def check_save(loaded: LoadedModel, name_or_path: str | Path, folder: str | Path) -> None:
    """Raise ValueError where `save_model` could not write `loaded`, or a pruned copy of it: before the work and not after it."""
    target = check_target(folder)
    source, _ = model_folder(find_model(name_or_path))
    for name, parameter in loaded.model.named_parameters():
        if not parameter.is_floating_point():
            raise ValueError(
                f"{name} is quantised: save the model before quantising, and load the copy with `quantize`"
            )
        if parameter.is_meta:
            raise ValueError(f"{name} is offloaded: load the model without an offloading device_map to save it")
    state, cut = loaded.model.state_dict(), _is_cut(loaded)
    for name, stored in stored_tensors(source).items():
        here = state.get(renamed(name, loaded.spec.renaming))
        if not is_computed(name) and (here is None or not (cut or here.shape == stored.shape)):
            raise ValueError(f"{name} in {source} has no equal in the model: was it loaded from there?")
    files = [*checkpoint_files(source)[0], *(path for path in _carried(source) if path.is_file())]
    unreadable = [path.name for path in files if not os.access(path, os.R_OK)]
    if unreadable:
        raise ValueError(f"{', '.join(unreadable)} in {source} cannot be read, and the copy needs it")
    check_room(target, sum(path.stat().st_size for path in files))


def left_behind(name_or_path: str | Path) -> list[str]:
    """Names of the files and folders beside the checkpoint that a saved copy will not have."""
    source, _ = model_folder(find_model(name_or_path))
    files, index = checkpoint_files(source)
    taken = {path.name for path in (*files, *_carried(source))} | ({INDEX} if index else set())
    return sorted(path.name for path in source.iterdir() if path.name not in taken and not path.name.startswith("."))


def save_model(loaded: LoadedModel, name_or_path: str | Path, folder: str | Path, record: dict | None = None) -> str:
    """Write `loaded`, which was loaded from `name_or_path`, into `folder`; returns the layout's name, "original" or "plain".

    Weights get the dtype they have on disk there; tokenizer files and config.json are copied (with what the registry adds to the config).
    record: what made the model, written beside the weights as sinkprune.json. The folder appears when all is written.
    Raises ValueError as `check_save` does, and OSError where the disk fails.
    """
    check_save(loaded, name_or_path, folder)
    info = find_model(name_or_path)
    source, _ = model_folder(info)
    try:
        with whole_folder(Path(folder)) as target:
            for path in _carried(source):
                (shutil.copytree if path.is_dir() else shutil.copyfile)(path, target / path.name)
            cut = _is_cut(loaded)
            _write_weights(loaded, source, target, cut)
            if cut:
                _write_config(loaded, source, target / "config.json")
            else:
                _complete_config(target / "config.json", dict(info.defaults))
            if record is not None:
                (target / RECORD).write_text(json_text(record, indent=1) + "\n", encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise OSError(f"{folder} could not be written ({error}); nothing half-done was kept") from error
    return "plain" if cut else "original"


def _is_cut(loaded: LoadedModel) -> bool:
    return hasattr(loaded.model.config, WIDTHS_KEY)


def _carried(source: Path) -> list[Path]:
    return sorted({path for pattern in CARRIED for path in source.glob(pattern) if path.is_file() or path.is_dir()})


def _write_weights(loaded: LoadedModel, source: Path, target: Path, cut: bool) -> None:
    """The checkpoint's files with the model's values, under the checkpoint's names or, for a cut model, those of transformers."""
    state, names = loaded.model.state_dict(), loaded.spec.renaming
    files, index = checkpoint_files(source)
    headers = stored_tensors(source)
    if index and not cut:
        shutil.copyfile(source / INDEX, target / INDEX)
    places, size = {}, 0
    for file in files:
        with safe_open(file, "pt") as stored:
            stored_names = stored.keys()
            tensors = {}
            for name in (name for name in stored_names if not (cut and is_computed(name))):
                here, dtype = state.get(renamed(name, names)), headers[name].torch_dtype
                tensor = stored.get_tensor(name) if here is None or dtype is None else here.to("cpu", dtype)
                tensors[renamed(name, names) if cut else name] = tensor
            metadata = stored.metadata()
        save_file(_apart(tensors), target / file.name, metadata)
        shutil.copymode(file, target / file.name)
        places |= dict.fromkeys(tensors, file.name)
        size += sum(tensor.nbytes for tensor in tensors.values())
    if cut and len(files) > 1:
        index = {"metadata": {"total_size": size}, "weight_map": places}
        (target / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _apart(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors as a file holds them, each with memory that no other shares: tied ones are copied."""
    seen: set[int] = set()
    apart = {}
    for name, tensor in tensors.items():
        shared = tensor.untyped_storage().data_ptr() in seen
        seen.add(tensor.untyped_storage().data_ptr())
        apart[name] = tensor.detach().clone() if shared else tensor.detach().contiguous()
    return apart


def _write_config(loaded: LoadedModel, source: Path, path: Path) -> None:
    """config.json of a cut model: its own config, with the dtype of the files."""
    entries = json.loads(loaded.model.config.to_json_string())
    dtype = str(stored_dtype(stored_tensors(source))).removeprefix("torch.")
    entries |= {"architectures": [type(loaded.model).__name__], "dtype": dtype}
    path.write_text(json.dumps(entries, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _complete_config(path: Path, defaults: dict) -> None:
    """Add the entries that only the registry knows, such as the chat format: the copy will be loaded by its folder's name."""
    config = json.loads(path.read_text(encoding="utf-8"))
    missing = {key: value for key, value in defaults.items() if key not in config}
    if missing:
        path.write_text(json.dumps(config | missing, indent=2) + "\n", encoding="utf-8")
