"""Open the page: watch sinks, prune, compare.

examples:
  python -m sinkprune app
  python -m sinkprune app --own-models
  python -m sinkprune app --model dream-7b-instruct --port 8080
  pip install "gradio[mcp]" && python -m sinkprune app --mcp
"""

from __future__ import annotations

import argparse
import os
import runpy
from importlib.util import find_spec
from pathlib import Path

APP = Path(__file__).resolve().parents[2] / "app.py"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which model, and where the page is served."""
    parser.add_argument(
        "--model", default="bundled", metavar="NAME", help="a name, a hub id or a folder (default: %(default)s)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets others in (default: %(default)s)")
    parser.add_argument("--port", type=int, help="default: 7860, or the next free one")
    parser.add_argument(
        "--own-models", action="store_true", help="let whoever opens the page load other models, hub ids and folders"
    )
    parser.add_argument("--mcp", action="store_true", help="serve the page's capabilities as MCP tools too")


def run(options: argparse.Namespace) -> None:
    """Serve until Ctrl-C. All settings travel as the environment variables that app.py and Gradio read."""
    settings = {"SINKPRUNE_MODEL": options.model, "GRADIO_SERVER_NAME": options.host}
    if options.port is not None:
        if not 0 < options.port < 65536:
            raise ValueError(f"--port must lie between 1 and 65535, not {options.port}")
        settings["GRADIO_SERVER_PORT"] = str(options.port)
    if options.own_models:
        settings["SINKPRUNE_OWN_MODELS"] = "1"
    if options.mcp:
        if find_spec("mcp") is None:
            raise ValueError("--mcp needs the package mcp: pip install 'gradio[mcp]'")
        settings["GRADIO_MCP_SERVER"] = "True"
    os.environ |= settings
    runpy.run_path(str(APP), run_name="__main__")
