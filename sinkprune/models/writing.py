"""Files and folders that appear whole or not at all: written beside their place, then renamed. Whether there is a place is asked before."""

from __future__ import annotations

import json
import math
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def check_target(folder: str | Path) -> Path:
    """`folder` as a path, if a model may be written there: it is new or empty, and can be made. ValueError otherwise."""
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"{target} exists and is not an empty folder: choose another one to save into")
    base = nearest(target)
    if not base.is_dir():
        raise ValueError(f"{target} cannot be made, because {base} is a file: choose another folder to save into")
    if not os.access(base, os.W_OK | os.X_OK):
        raise ValueError(f"{target} cannot be made: nothing may be written into {base}, choose another folder")
    return target


def check_room(folder: str | Path, needed: int) -> None:
    """Raise ValueError where the disk of a folder, which need not exist yet, has fewer than `needed` bytes free."""
    free = shutil.disk_usage(nearest(Path(folder))).free
    if free < needed:
        raise ValueError(
            f"{folder} needs {needed / 2**30:.1f} GiB, and its disk has {free / 2**30:.1f} GiB free: make room, or choose another one"
        )


def nearest(target: Path) -> Path:
    """`target` itself if it exists, else the closest of the folders above that does."""
    whole = target.absolute()
    return next(path for path in (whole, *whole.parents) if os.path.lexists(path))


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A folder to fill; it becomes `target`, which is new or empty, when the block ends, and vanishes when the block fails."""
    partial = nearest(target) / f".{target.name}.{uuid.uuid4().hex[:8]}.partial"
    try:
        partial.mkdir()
        yield partial
        if target.exists():  # it may be a mounted disk, which cannot be renamed over
            for path in sorted(partial.iterdir()):
                path.replace(target / path.name)
            partial.rmdir()
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            partial.rename(target)
    except BaseException:  # half a model must not be left behind, whoever stopped it
        shutil.rmtree(partial, ignore_errors=True)
        raise


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that whoever reads it finds the old content or the new one. A device or a pipe is simply written to."""
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    place = path.resolve()  # a link stays a link
    partial = place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(place)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def json_text(value: object, **options: object) -> str:
    """`value` as JSON that every reader takes: null for NaN and infinity, which JSON does not have. options: those of `json.dumps`."""
    return json.dumps(_finite(value), allow_nan=False, **options)


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return value
