"""A way to run the command line on a tiny model."""

from __future__ import annotations

import pytest

from sinkprune.cli import main


@pytest.fixture
def run(model_folder, capsys):
    """run("generate", "hello", …) -> (exit code, standard output, standard error), on the tiny model unless --model says otherwise."""

    def call(command: str, *arguments: str) -> tuple[int, str, str]:
        model = [] if "--model" in arguments else ["--model", str(model_folder)]
        try:
            code = main([command, *arguments, *model])
        except SystemExit as refused:  # argparse's way
            code = refused.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return call
