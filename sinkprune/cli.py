"""The command line, `python -m sinkprune COMMAND`: one module a command in sinkprune/commands, imported when it is asked for.

A command module has a docstring (its help text), `add_arguments(parser)` and `run(options)`. Results go to standard output; progress and
remarks to standard error. Exit codes: 0 done; 1 stopped on the way (Ctrl-C, out of memory, disk full); 2 what was asked cannot be done,
said in a sentence.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

PROGRAM = "python -m sinkprune"
COMMANDS = {
    "app": "open the page in a browser",
    "models": "list the known models and what they need on this machine",
    "generate": "write an answer by diffusion",
    "trace": "record a run, attention included, as the JSON that the player reads",
    "prune": "prune a copy of a model and save it in its original layout",
    "compare": "prune, and let the dense and the pruned model write side by side",
    "evaluate": "measure how likely a model finds texts, or run lm-evaluation-harness tasks",
    "deploy": "show or upload what a Hugging Face Space needs",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    command = arguments[0] if arguments else None
    if hasattr(sys.stdout, "reconfigure"):  # an answer that a narrow terminal cannot show is no reason to lose it
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with _ended_as_by_ctrl_c():
            parser, run = _parser(command)
            run(parser.parse_args(arguments))
            sys.stdout.flush()
    except KeyboardInterrupt:
        return _say(command, "stopped; nothing half-done was kept", 1)
    except BrokenPipeError:  # whoever read our output has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, ConnectionError) as error:
        return _say(command, str(error), 2)
    except (MemoryError, OSError) as error:
        return _say(command, str(error) or "out of memory", 1)
    except RuntimeError as error:
        if "out of memory" not in str(error).lower():
            raise
        return _say(command, str(error).splitlines()[0], 1)
    return 0


def _parser(command: str | None) -> tuple[argparse.ArgumentParser, Callable[[argparse.Namespace], None]]:
    """The parser, with the arguments of one command only: importing the others would take seconds."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Watch attention sinks in a diffusion language model, prune it, compare.",
        epilog=f"{PROGRAM} COMMAND --help explains a command. Without a model's name, the bundled one is used.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")
    run = None
    for name, summary in COMMANDS.items():
        chosen = commands.add_parser(name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter)
        if name == command:
            gc.disable()  # as models/quick_imports.py does, which waits for torch itself
            module = import_module(f"sinkprune.commands.{name}")
            gc.enable()
            chosen.description, run = module.__doc__, module.run
            module.add_arguments(chosen)
    return parser, run


@contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    """A command that a job system ends (SIGTERM) cleans up as after Ctrl-C."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _say(command: str | None, sentence: str, code: int) -> int:
    print(f"{PROGRAM} {command}: {sentence}", file=sys.stderr)
    return code
