"""deploy: what a Space would get, and that nothing but that is uploaded; the hub is a stand-in that writes down what it is asked."""

import shutil

import huggingface_hub
import pytest
import yaml
from huggingface_hub.errors import LocalTokenNotFoundError

from sinkprune.cli import main
from sinkprune.commands import deploy

ROOT = deploy.ROOT


@pytest.fixture
def hub(monkeypatch):
    """Calls of HfApi by name."""
    calls = {}

    class Hub:
        def create_repo(self, name, **options):
            calls["create"] = {"name": name, **options}
            return f"https://huggingface.co/spaces/{name}"

        def upload_folder(self, **options):
            calls["upload"] = options

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    return calls


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A small copy of the repository, with things beside it that are nobody's business."""
    for name in ("README.md", "LICENSE", "app.py", "requirements.txt", "space.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in (
        "sinkprune/cli.py",
        "sinkprune/__pycache__/cli.pyc",
        "assets/.cache",
        "assets/text.txt",
        "docs/MAP.md",
        "tests/a.py",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / ".env").write_text("TOKEN=secret")
    (tmp_path / "notes.txt").write_text("mine")
    monkeypatch.setattr(deploy, "ROOT", tmp_path)
    return tmp_path


UPLOADED = {
    *("LICENSE", "README.md", "app.py", "requirements.txt"),
    *("sinkprune/cli.py", "assets/text.txt", "docs/MAP.md"),
}


def test_a_dry_run_shows_the_files_and_uploads_nothing(project, hub, capsys):
    assert main(["deploy", "someone/page"]) == 0
    out = capsys.readouterr().out
    listed = {line.split()[1] for line in out.splitlines() if line.split()[1:] and line.split()[1] in UPLOADED}
    assert listed == UPLOADED
    assert "left out: notes.txt, space.yaml, tests" in out
    assert "secret" not in out
    assert "nothing was uploaded" in out
    assert hub == {}


def test_exactly_what_was_shown_is_uploaded(project, hub, capsys):
    assert main(["deploy", "someone/page", "--yes"]) == 0
    assert set(hub["upload"]["allow_patterns"]) == UPLOADED
    assert hub["upload"]["delete_patterns"] == "*"  # what an older version left there goes
    assert hub["upload"]["folder_path"] == project
    assert hub["create"]["space_sdk"] == "gradio"
    assert hub["create"]["space_variables"] is None
    assert "https://huggingface.co/spaces/someone/page" in capsys.readouterr().out


def test_hardware_and_model_go_to_the_space(project, hub):
    assert main(["deploy", "a/b", "--yes", "--hardware", "t4-small", "--model", "dream-7b-instruct"]) == 0
    assert hub["create"]["space_hardware"] == "t4-small"
    assert hub["create"]["space_variables"] == [{"key": "SINKPRUNE_MODEL", "value": "dream-7b-instruct"}]


def test_space_yaml_is_the_source_of_the_front_matter(project, hub, capsys):
    settings = (project / "space.yaml").read_text().replace("title: sinkprune", "title: another")
    (project / "space.yaml").write_text(settings)
    body = (project / "README.md").read_text().split("---\n", 2)[2]
    assert main(["deploy"]) == 0
    assert "is not that of space.yaml" in capsys.readouterr().out
    assert "title: another" not in (project / "README.md").read_text()
    assert main(["deploy", "someone/page", "--yes"]) == 0
    _, front, after = (project / "README.md").read_text().split("---\n", 2)
    assert yaml.safe_load(front)["title"] == "another"
    assert after == body


def test_the_real_space_gets_all_that_the_page_needs_and_no_tests():
    names = {path.relative_to(ROOT).as_posix() for path in deploy.space_files(ROOT)}
    assert {"app.py", "assets/bundled/config.json", "sinkprune/ui/web/player/player.js", "requirements.txt"} <= names
    assert not any(name.startswith(("tests", ".")) or "__pycache__" in name for name in names)
    assert sum((ROOT / name).stat().st_size for name in names) < 200e6


@pytest.mark.parametrize(
    ("arguments", "words"), [(["--yes"], "say where to upload"), (["page", "--yes"], "it is OWNER/NAME")]
)
def test_what_cannot_be_done_is_said_with_exit_code_2(project, hub, capsys, arguments, words):
    assert main(["deploy", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert hub == {}


def test_who_is_not_logged_in_reads_how(project, monkeypatch, capsys):
    class Hub:
        def create_repo(self, name, **options):
            raise LocalTokenNotFoundError("Token is required, but no token found.")

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    assert main(["deploy", "someone/page", "--yes"]) == 2
    assert "hf auth login" in capsys.readouterr().err
