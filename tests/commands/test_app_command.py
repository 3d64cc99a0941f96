"""app: its options reach app.py as environment variables, and what cannot be served is said before anything starts."""

import os
import runpy

import pytest

from sinkprune.cli import main
from sinkprune.commands.app import APP


@pytest.fixture
def served(monkeypatch):
    """What app.py would have been started with."""
    seen = {}

    def run_path(path, run_name):
        seen.update({name: os.environ.get(name) for name in VARIABLES}, path=path, run_name=run_name)

    for name in VARIABLES:
        monkeypatch.setenv(name, "")  # so that what the command sets is undone
        monkeypatch.delenv(name)
    monkeypatch.setattr(runpy, "run_path", run_path)
    return seen


VARIABLES = ("SINKPRUNE_MODEL", "GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT", "GRADIO_MCP_SERVER")


def test_defaults_serve_the_bundled_model_to_this_machine_only(served):
    assert main(["app"]) == 0
    assert served == {
        "path": str(APP),
        "run_name": "__main__",
        "SINKPRUNE_MODEL": "bundled",
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": None,
        "GRADIO_MCP_SERVER": None,
    }


def test_options_reach_the_page(served):
    assert main(["app", "--model", "someone/dlm", "--host", "0.0.0.0", "--port", "8080", "--mcp"]) == 0
    assert [served[name] for name in VARIABLES] == ["someone/dlm", "0.0.0.0", "8080", "True"]


def test_a_port_that_is_none_is_refused(served, capsys):
    assert main(["app", "--port", "70000"]) == 2
    assert "between 1 and 65535" in capsys.readouterr().err
    assert served == {}


def test_mcp_needs_its_package(served, capsys, monkeypatch):
    monkeypatch.setattr("sinkprune.commands.app.find_spec", lambda name: None)
    assert main(["app", "--mcp"]) == 2
    assert "pip install 'gradio[mcp]'" in capsys.readouterr().err
    assert served == {}


def test_an_unknown_model_is_said_at_once(served, monkeypatch, capsys):
    monkeypatch.undo()
    monkeypatch.setenv("SINKPRUNE_MODEL", "")
    monkeypatch.setenv("GRADIO_SERVER_NAME", "")
    assert main(["app", "--model", "no-such-model"]) == 2
    assert "unknown model 'no-such-model'" in capsys.readouterr().err
