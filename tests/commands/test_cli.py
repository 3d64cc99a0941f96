"""The command line as a whole: help, exit codes, and that whoever errs reads a sentence, never a traceback."""

import re
import shlex
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

from sinkprune import cli
from sinkprune.cli import COMMANDS, main
from sinkprune.pruning import METHODS

ROOT = Path(__file__).parents[2]


def test_the_list_of_commands_comes_without_waiting_for_torch():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys\nfrom sinkprune.cli import main\ntry:\n    main(['--help'])\n"
            "finally:\n    assert 'torch' not in sys.modules",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_each_command_and_its_examples_parse(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert "examples:" in capsys.readouterr().out
    examples = import_module(f"sinkprune.commands.{command}").__doc__.replace("\\\n", " ")
    lines = re.findall(r"(?:python|launch.*) -m sinkprune (.+)", examples)
    assert lines
    for line in lines:
        parser, _ = cli._parser(command)
        assert parser.parse_args(shlex.split(line)).command == command


def test_every_method_can_be_asked_for():
    parser, _ = cli._parser("prune")
    for method in (*METHODS, "sink", "sink_sgpt"):
        assert parser.parse_args(["prune", "--prune_method", method]).method == method


@pytest.mark.parametrize("arguments", [[], ["frobnicate"], ["generate"], ["prune", "--sparsity", "much"]])
def test_what_cannot_be_parsed_is_exit_code_2(arguments):
    with pytest.raises(SystemExit) as refused:
        main(arguments)
    assert refused.value.code == 2


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ValueError("no such model: take another"), 2, "no such model: take another"),
        (ConnectionError("the hub is out of reach"), 2, "out of reach"),
        (KeyboardInterrupt(), 1, "stopped"),
        (OSError(28, "No space left on device"), 1, "No space left"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB\nmore"), 1, "CUDA out of memory"),
        (MemoryError(), 1, "out of memory"),
    ],
)
def test_what_goes_wrong_is_said_in_one_line(monkeypatch, capsys, error, code, words):
    def fail(options):
        raise error

    monkeypatch.setattr(import_module("sinkprune.commands.generate"), "run", fail)
    assert main(["generate", "hello"]) == code
    said = capsys.readouterr().err
    assert words in said
    assert said.startswith("python -m sinkprune generate: ")
    assert said.count("\n") == 1


def test_our_own_mistakes_are_not_hidden(monkeypatch):
    def fail(options):
        raise RuntimeError("a bug")

    monkeypatch.setattr(import_module("sinkprune.commands.generate"), "run", fail)
    with pytest.raises(RuntimeError):
        main(["generate", "hello"])


def hear_ctrl_c():
    """A program that a shell started with "&" ignores it, and so do those it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_ctrl_c_ends_a_long_prune_without_a_traceback_and_leaves_nothing(model_folder, tmp_path):
    command = [sys.executable, "-m", "sinkprune", "prune", "--model", str(model_folder), "--samples", "100000"]
    process = subprocess.Popen(
        [*command, "--save", str(tmp_path / "saved")],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    )
    first = process.stderr.readline()
    assert first.startswith("calibrating on"), first
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in said
    assert "stopped" in said
    assert not (tmp_path / "saved").exists()
