"""Put this page on Hugging Face Spaces. Without --yes it only shows what would be uploaded.

space.yaml holds the Space's settings; they travel as the front matter of README.md, which is brought up to date before an upload.
The same files run on a free CPU, on a GPU and on ZeroGPU. Log in first: hf auth login.

examples:
  python -m sinkprune deploy
  python -m sinkprune deploy someone/sinkprune --yes
  python -m sinkprune deploy someone/sinkprune --hardware a10g-small --model llada-8b-instruct --yes
"""

from __future__ import annotations

import argparse
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("README.md", "LICENSE", "app.py", "requirements.txt", "sinkprune", "assets", "docs")
FENCE = "---\n"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to, and with what."""
    parser.add_argument("space", nargs="?", metavar="OWNER/NAME", help="the Space; it is made where there is none")
    parser.add_argument("--yes", action="store_true", help="upload")
    parser.add_argument("--private", action="store_true", help="make a new Space private")
    parser.add_argument(
        "--hardware",
        metavar="NAME",
        help="what a new Space runs on; zero-a10g is ZeroGPU (default: the free CPU)",
    )
    parser.add_argument("--model", metavar="NAME", help="the model of a new Space (default: the bundled one)")


def run(options: argparse.Namespace) -> None:
    """Show the files; upload them where that was asked for."""
    if options.yes and not options.space:
        raise ValueError("say where to upload: python -m sinkprune deploy OWNER/NAME --yes")
    if options.space and options.space.count("/") != 1:
        raise ValueError(f"{options.space!r} is no Space's name: it is OWNER/NAME")
    files = space_files(ROOT)
    _show(files)
    readme = ROOT / "README.md"
    current = with_settings(readme.read_text(encoding="utf-8"), (ROOT / "space.yaml").read_text(encoding="utf-8"))
    stale = current != readme.read_text(encoding="utf-8")
    if stale:
        print("README.md's front matter is not that of space.yaml" + (": it is now" if options.yes else ""))
    if not options.yes:
        print("nothing was uploaded: add OWNER/NAME and --yes")
        return
    if stale:
        readme.write_text(current, encoding="utf-8")
    print(f"uploaded: {_upload(options, [path.relative_to(ROOT).as_posix() for path in files])}")


def space_files(root: Path) -> list[Path]:
    """The files a Space needs, sorted; caches and hidden files are none."""
    found = [path for part in PARTS for path in ((root / part).rglob("*") if (root / part).is_dir() else [root / part])]
    return sorted(path for path in found if path.is_file() and not _is_hidden(path.relative_to(root)))


def with_settings(readme: str, settings: str) -> str:
    """README.md with `settings` (space.yaml) as its front matter, instead of what it has."""
    body = readme.split(FENCE, 2)[2] if readme.startswith(FENCE) else readme
    return f"{FENCE}{settings}{FENCE}{body}"


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in path.parts)


def _show(files: list[Path]) -> None:
    for path in files:
        print(f"{path.stat().st_size:>12,}  {path.relative_to(ROOT).as_posix()}")
    print(f"{sum(path.stat().st_size for path in files):>12,}  bytes in {len(files)} files")
    left = sorted(path.name for path in ROOT.iterdir() if path.name not in PARTS and not _is_hidden(Path(path.name)))
    print(f"left out: {', '.join(left)}, hidden files and caches")


def _upload(options: argparse.Namespace, names: list[str]) -> str:
    """Make the Space where there is none, and give it exactly these files in one commit; returns its address."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError

    api = HfApi()
    variables = [{"key": "SINKPRUNE_MODEL", "value": options.model}] if options.model else None
    try:
        made = api.create_repo(
            options.space,
            repo_type="space",
            space_sdk="gradio",
            private=options.private or None,
            space_hardware=options.hardware,
            space_variables=variables,
            exist_ok=True,
        )
        api.upload_folder(
            repo_id=options.space,
            repo_type="space",
            folder_path=ROOT,
            allow_patterns=names,
            delete_patterns="*",
            commit_message="Deploy sinkprune",
        )
    except (HfHubHTTPError, HFValidationError, LocalTokenNotFoundError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"the hub refused ({reason}): check the name, and log in with `hf auth login`") from error
    return str(made)
