"""What the repository promises about itself: one source for the Space's settings, one test command, exact pins, no secrets of a machine."""

import ast
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


# Innermost first: a room imports only rooms of the lines before it.
ROOMS = (
    {"models"},
    {"sinks"},
    {"decoding", "pruning"},
    {"traces"},
    {"lab"},
    {"recorded", "training"},
    {"figures", "benchmarks"},
    {"ui", "commands"},
)
ONLY_IN = {"gradio": "ui", "plotly": "figures"}


def imported_modules(path: Path) -> set[str]:
    """The full names of all modules that a file imports, inside functions too."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    assert all(node.level == 0 for node in froms), f"{path} imports relative to itself"
    plain = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    return (
        plain
        | {node.module for node in froms}
        | {f"{node.module}.{name.name}" for node in froms for name in node.names}
    )


def test_imports_point_one_way():
    level = {room: number for number, rooms in enumerate(ROOMS) for room in rooms}
    seen = {path.relative_to(ROOT / "sinkprune").parts[0] for path in tracked("sinkprune/*/*.py")}
    assert seen == set(level)
    wrong = []
    for room, own in level.items():
        for path in (ROOT / "sinkprune" / room).rglob("*.py"):
            for name in imported_modules(path):
                top, _, rest = name.partition(".")
                inside = rest.split(".")[0]
                outward = top == "sinkprune" and inside != room and not level.get(inside, len(ROOMS)) < own
                if outward or ONLY_IN.get(top, room) != room:
                    wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []
