"""The small files of a checkpoint: JSON objects, the tokenizer, and the end tokens, each read or refused in a sentence that names it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TOKENIZER_OBJECTS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json")
_POINTER = b"version https://git-lfs.github.com/"  # how a file begins that git left on its server


def check_not_pointer(path: Path) -> None:
    """Raise ValueError where git stored a pointer in the place of a large file."""
    with path.open("rb") as stream:
        if stream.read(len(_POINTER)) == _POINTER:
            raise ValueError(
                f"{path.name} in {path.parent} is a Git LFS pointer and not the file: run `git lfs pull` there, "
                "or download it again"
            )


def read_object(path: Path) -> dict:
    """The JSON object in a file. Raises ValueError where it cannot be read, is a pointer, cut short, or holds something else."""
    try:
        check_not_pointer(path)
        content = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path.name} in {path.parent} is not JSON ({error}): damaged or cut short, download it again"
        ) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path.name} in {path.parent} is not JSON: {error}") from error
    except OSError as error:
        raise ValueError(f"{path.name} in {path.parent} cannot be read ({error.strerror})") from error
    if not isinstance(content, dict):
        raise ValueError(
            f"{path.name} in {path.parent} must hold one JSON object, and holds a {type(content).__name__}"
        )
    return content


def read_tokenizer(folder: Path) -> PreTrainedTokenizerBase | None:
    """The tokenizer of a folder, None where it has none. Raises ValueError, naming the file, where one of its files cannot be used."""
    from tokenizers import __version__
    from transformers import PreTrainedTokenizerFast, Qwen2Tokenizer

    whole, parts = folder / "tokenizer.json", [folder / "vocab.json", folder / "merges.txt"]
    if not whole.is_file() and not all(part.is_file() for part in parts):
        return None
    for name in ("tokenizer.json", *TOKENIZER_OBJECTS):
        if (folder / name).is_file():
            read_object(folder / name)
    try:
        if whole.is_file():
            return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
        return Qwen2Tokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # what two libraries raise for odd entries is open-ended
        files = "tokenizer.json" if whole.is_file() else "vocab.json with merges.txt"
        raise ValueError(
            f"{files} in {folder} cannot be used ({first_line(error)}): it may be of a later version than tokenizers {__version__} "
            "reads, or it and tokenizer_config.json do not fit together; save it again, or download it again"
        ) from error


def read_generation_config(folder: Path) -> dict:
    """generation_config.json of a folder; {} where there is none."""
    path = folder / "generation_config.json"
    return read_object(path) if path.is_file() else {}


def first_line(error: Exception) -> str:
    """What a library says, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]
