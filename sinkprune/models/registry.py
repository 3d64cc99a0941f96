"""The models known by name, and where their weights are.

A name resolves to a folder: the one inside this project, or a snapshot from the Hugging Face hub (safetensors, tokenizer and config files
only; code in a repository is never fetched or run).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

BUNDLED_FOLDER = Path(__file__).resolve().parents[2] / "assets" / "bundled"
HUB_FILES = ("*.json", "*.safetensors", "*.txt", "*.jinja")


@dataclass(frozen=True)
class ModelInfo:
    """One entry. source: a folder or a hub id; defaults: config entries the published config lacks."""

    name: str
    source: str | Path
    title: str
    defaults: tuple[tuple[str, object], ...] = ()


_LLADA = (("mask_token_id", 126336), ("chat_format", "template"))
_DREAM = (("mask_token_id", 151666), ("chat_format", "template"))
_PLAIN = (("mask_token_id", 126336), ("chat_format", "plain"))

MODELS = {
    info.name: info
    for info in (
        ModelInfo("bundled", BUNDLED_FOLDER, "bundled, 52 M"),
        ModelInfo("llada-8b-base", "GSAI-ML/LLaDA-8B-Base", "LLaDA 8B Base", _PLAIN),
        ModelInfo("llada-8b-instruct", "GSAI-ML/LLaDA-8B-Instruct", "LLaDA 8B Instruct", _LLADA),
        ModelInfo("llada-1.5", "GSAI-ML/LLaDA-1.5", "LLaDA 1.5 (8B)", _LLADA),
        ModelInfo("dream-7b-base", "Dream-org/Dream-v0-Base-7B", "Dream v0 Base 7B", (("mask_token_id", 151666),)),
        ModelInfo("dream-7b-instruct", "Dream-org/Dream-v0-Instruct-7B", "Dream v0 Instruct 7B", _DREAM),
        ModelInfo("mmada-8b-base", "Gen-Verse/MMaDA-8B-Base", "MMaDA 8B Base", _PLAIN),
    )
}


def find_model(name_or_path: str | Path) -> ModelInfo:
    """The entry of a registry name, a local folder or a hub id ("owner/name"). Anything else: ValueError listing the known names."""
    name = str(name_or_path)
    if name in MODELS:
        return MODELS[name]
    if Path(name).is_dir():
        return ModelInfo(Path(name).resolve().name, Path(name), name)
    owner, _, repository = name.partition("/")
    if owner and repository and "/" not in repository and not name.startswith((".", "~")) and "\\" not in name:
        return ModelInfo(name, name, name)
    raise ValueError(f"unknown model {name!r}: use one of {', '.join(MODELS)}, a local folder or a hub id (owner/name)")


def model_folder(info: ModelInfo) -> tuple[Path, str | None]:
    """(folder with the files, hub revision or None). Downloads a hub id's files; ValueError with a sentence when that fails."""
    if isinstance(info.source, Path):
        if not (info.source / "config.json").is_file():
            raise ValueError(f"the folder {info.source} of model {info.name!r} has no config.json")
        return info.source, None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(info.source, allow_patterns=HUB_FILES))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(
            f"{info.source!r} is no local folder and could not be fetched from the hub ({reason}): "
            f"check the name and the network, or use one of {', '.join(MODELS)}"
        ) from error
    return folder, folder.name
