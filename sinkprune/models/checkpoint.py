"""What a folder's safetensors files hold, read from their headers alone: names, dtypes and shapes, and whether each file is whole.

So a wrong or cut checkpoint is refused, with the names of what is missing, before its gigabytes are read.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from sinkprune.models.reading import check_not_pointer, read_object
from sinkprune.models.spec import Renaming

_DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_NAMED = 8  # names in a message; more are not read
_HEADER_LIMIT = 100 * 2**20  # bytes; the format's own
_COMPUTED = re.compile(r"rotary_emb\.inv_freq$")  # saved by old versions, computed from the config


@dataclass(frozen=True)
class StoredTensor:
    """dtype: safetensors' name of it, such as "BF16"."""

    dtype: str
    shape: tuple[int, ...]
    bytes: int

    @property
    def torch_dtype(self) -> torch.dtype | None:
        """None for numbers that are no floating point ones of 16 bits or more."""
        return _DTYPES.get(self.dtype)


def stored_tensors(folder: Path) -> dict[str, StoredTensor]:
    """Name -> tensor of the folder's checkpoint. Raises ValueError where there is none, or a file is missing, damaged or cut short."""
    files, index = checkpoint_files(folder)
    tensors: dict[str, StoredTensor] = {}
    for file in files:
        if not file.is_file():
            lost = [name for name, owner in index.items() if owner == file.name]
            raise ValueError(f"{file.name} is missing in {folder}, and with it {listed(lost)}: download it again")
        tensors |= _header(file)
    lost = index.keys() - tensors.keys()
    if lost:
        raise ValueError(f"the files in {folder} lack tensors that their index names: missing {listed(lost)}")
    return tensors


def stored_dtype(tensors: dict[str, StoredTensor]) -> torch.dtype:
    """The dtype that most of the checkpoint's bytes have. Raises ValueError where that is no floating point format."""
    total: dict[str, int] = {}
    for tensor in tensors.values():
        total[tensor.dtype] = total.get(tensor.dtype, 0) + tensor.bytes
    most = max(total, key=total.get, default="nothing")
    if most not in _DTYPES:
        raise ValueError(
            f"the weights are stored as {most}, quantised or packed: take the original in 16 or 32 bits, and `quantize` while loading"
        )
    return _DTYPES[most]


def check_tensors(
    tensors: dict[str, StoredTensor], expected: dict[str, torch.Tensor], names: Renaming, tied: bool
) -> None:
    """Raise ValueError, naming them, where tensors are missing, not expected or of a wrong shape.

    expected: the model's own, on the meta device. names: renaming of the layout. tied: the head may be missing.
    """
    here = {renamed(name, names): tensor for name, tensor in tensors.items() if not is_computed(name)}
    needed = expected.keys() - ({"lm_head.weight"} if tied else set())
    wrong = [
        f"{name} {list(here[name].shape)} instead of {list(tensor.shape)}"
        for name, tensor in expected.items()
        if name in here and here[name].shape != tuple(tensor.shape)
    ]
    found = {"missing": needed - here.keys(), "not expected": here.keys() - expected.keys(), "of another shape": wrong}
    problems = [f"{kind} {listed(which)}" for kind, which in found.items() if which]
    if problems:
        raise ValueError(f"the tensors do not fit its config.json: {'; '.join(problems)}")


def is_computed(name: str) -> bool:
    """Whether a stored tensor is one that a model computes from its config."""
    return _COMPUTED.search(name) is not None


def renamed(name: str, names: Renaming) -> str:
    """The transformers name of a stored tensor."""
    for pattern, replacement in names:
        name, count = re.subn(pattern, replacement, name)
        if count:
            break
    return name


def listed(names: Iterable[str]) -> str:
    """The first names in order, and … for more."""
    ordered = sorted(names)
    return ", ".join(ordered[:_NAMED]) + (f" and {len(ordered) - _NAMED} more …" if len(ordered) > _NAMED else "")


def checkpoint_files(folder: Path) -> tuple[list[Path], dict[str, str]]:
    """The files that are loaded and, where they are several, tensor name -> file name. Others beside them belong to something else."""
    single, path = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file() or not path.is_file():
        files = [single] if single.is_file() else sorted(folder.glob("*.safetensors"))
        if not files:
            raise ValueError(f"{folder} has no *.safetensors file: only safetensors checkpoints are loaded")
        return files, {}
    try:
        index = dict(read_object(path)["weight_map"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path.name} in {folder} is no index of a checkpoint ({error}): download it again") from error
    if any(not isinstance(file, str) or Path(file).name != file for file in index.values()):
        raise ValueError(f"{path.name} in {folder} names files outside its folder")
    return [folder / file for file in sorted(set(index.values()))], index


def _header(file: Path) -> dict[str, StoredTensor]:
    """The format: 8 bytes of length, a JSON object of that length, then the tensors' bytes."""
    check_not_pointer(file)
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > _HEADER_LIMIT:
                raise ValueError(f"a header of {length} bytes")
            entries = json.loads(stream.read(length))
        entries.pop("__metadata__", None)
        sizes = {name: entry["data_offsets"] for name, entry in entries.items()}
        tensors = {
            name: StoredTensor(entry["dtype"], tuple(entry["shape"]), sizes[name][1] - sizes[name][0])
            for name, entry in entries.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, struct.error) as error:
        raise ValueError(
            f"{file.name} in {file.parent} cannot be read ({error}): the file is damaged or cut short, download it again"
        ) from error
    room = file.stat().st_size - 8 - length
    lost = [name for name, (_, end) in sizes.items() if end > room]
    if lost:
        raise ValueError(
            f"{file.name} in {file.parent} is damaged or cut short: missing {listed(lost)}, wholly or in part; download it again"
        )
    return tensors
