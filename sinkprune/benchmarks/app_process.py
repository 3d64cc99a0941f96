"""The app in a process, for benchmarks and tests: `python app.py` on a free port, ended on the way out."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOST_SECONDS = 300  # a machine at work on other things may need minutes
LOOK_EVERY = 0.05  # seconds between two tries to reach the page


@dataclass(frozen=True)
class AppProcess:
    """A running app. address: of its page. began: `time.perf_counter()` when the process was started."""

    process: subprocess.Popen
    address: str
    began: float


@contextmanager
def app_process() -> Iterator[AppProcess]:
    """Start the app and wait until it answers. Raises RuntimeError where it ends before, or does not answer in MOST_SECONDS."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port)}
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, env=os.environ | settings, stdout=subprocess.DEVNULL
    )
    app = AppProcess(process, f"http://127.0.0.1:{port}", began)
    try:
        _wait_for(app)
        yield app
    finally:
        process.terminate()
        process.wait()


def _wait_for(app: AppProcess) -> None:
    while time.perf_counter() - app.began < MOST_SECONDS:
        try:
            urllib.request.urlopen(app.address, timeout=MOST_SECONDS).close()
            return
        except (urllib.error.URLError, OSError):
            if app.process.poll() is not None:
                raise RuntimeError("app.py ended before it served a page") from None
            time.sleep(LOOK_EVERY)
    raise RuntimeError(f"app.py served no page within {MOST_SECONDS} seconds")
