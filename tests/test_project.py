"""What the repository promises about itself: one source for the Space's settings, one test command, exact pins, no secrets of a machine."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / line for line in listed.stdout.splitlines()]


def test_the_front_matter_is_space_yaml():
    front_matter = README.split("---\n")[1]
    assert front_matter == (ROOT / "space.yaml").read_text()
    settings = yaml.safe_load(front_matter)
    assert len(settings["short_description"]) <= 60
    assert (ROOT / settings["app_file"]).exists()


def test_ci_runs_exactly_the_readme_test_command():
    commands = re.findall(r"```sh\n(.+)\n```", README)
    assert len(commands) == 2
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == commands[1]


def test_the_space_runs_the_gradio_that_is_pinned():
    assert (
        f"gradio=={yaml.safe_load((ROOT / 'space.yaml').read_text())['sdk_version']}"
        in (ROOT / "requirements.txt").read_text().splitlines()
    )


def test_every_requirement_is_pinned():
    for name in ("requirements.txt", "tests/requirements.txt"):
        for line in (ROOT / name).read_text().splitlines():
            assert line.startswith("-r ") or re.fullmatch(r"[\w-]+(\[\w+\])?==[\w.]+", line), line


def test_what_the_readme_links_to_exists():
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", README):
        assert (ROOT / target).exists(), target


def test_no_file_is_too_large_to_push():
    assert [path.name for path in tracked() if path.stat().st_size > 50_000_000] == []


def test_the_code_is_formatted_and_clean():
    for arguments in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, str(ROOT)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_imports_point_inward():
    forbidden = {
        "models": ("sinks", "decoding", "pruning", "lab", "ui", "training", "commands"),
        "sinks": ("decoding", "pruning", "lab", "ui", "training", "commands"),
        "decoding": ("pruning", "lab", "ui", "training", "commands"),
        "pruning": ("decoding", "lab", "ui", "training", "commands"),
        "lab": ("ui", "training", "commands"),
        "training": ("ui", "commands"),
        "ui": ("training", "commands"),
        "commands": ("ui", "training"),
    }
    for room, others in forbidden.items():
        for path in (ROOT / "sinkprune" / room).rglob("*.py"):
            imported = set(re.findall(r"^\s*(?:from|import) sinkprune\.(\w+)", path.read_text(), re.MULTILINE))
            assert not imported & set(others), path
            if room != "ui":
                assert "import gradio" not in path.read_text(), path
