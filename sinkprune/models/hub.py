"""From a registry entry to files: a folder of this machine, or a snapshot from the Hugging Face hub.

Only safetensors, tokenizer and config files are fetched; code in a repository is never fetched or run.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sinkprune.models.reading import read_object
from sinkprune.models.registry import ModelInfo

HUB_FILES = ("*.json", "*.safetensors", "*.txt", "*.jinja")


def read_config(info: ModelInfo) -> dict:
    """The model's config.json, with the registry's defaults for what it lacks. From the hub it alone is fetched: a few kilobytes.

    Raises ValueError where it cannot be had or is not a JSON object.
    """
    if isinstance(info.source, Path):
        path = info.source / "config.json"
        if not path.is_file():
            raise ValueError(f"the folder {info.source} of model {info.name!r} has no config.json")
    else:
        from huggingface_hub import hf_hub_download

        path = Path(_from_hub(info, lambda: hf_hub_download(info.source, "config.json", revision=info.revision)))
    return dict(info.defaults) | read_object(path)


def model_folder(info: ModelInfo) -> tuple[Path, str | None]:
    """(folder with the files, hub revision or None). Downloads a hub id's files; ValueError with a sentence when that fails."""
    if isinstance(info.source, Path):
        return info.source, None
    from huggingface_hub import snapshot_download

    folder = Path(
        _from_hub(info, lambda: snapshot_download(info.source, revision=info.revision, allow_patterns=HUB_FILES))
    )
    return folder, folder.name


def _from_hub(info: ModelInfo, fetch: Callable[[], str]) -> str:
    from huggingface_hub import errors

    other = "or use the model that ships with this project, 'bundled'"
    try:
        return fetch()
    except errors.GatedRepoError as error:
        raise ValueError(
            f"{info.source!r} is gated: accept its licence at https://huggingface.co/{info.source}, set HF_TOKEN, and try again, {other}"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ValueError(
            f"{info.source!r} has no revision {info.revision!r} on the hub: leave it out, {other}"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ValueError(
            f"the hub has no model {info.source!r}, or a private one: check the spelling, set HF_TOKEN where it is private, {other}"
        ) from error
    except (errors.EntryNotFoundError, errors.HFValidationError, OSError) as error:  # no network, no such file, no disk
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(
            f"{info.source!r} is no local folder and could not be fetched from the hub ({reason}): check the network, "
            f"or give a folder with its files, {other}"
        ) from error
