"""The real application for tests: `python app.py` in a process of its own, started once for the whole session."""

from __future__ import annotations

import atexit
import functools
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 90


@functools.cache
def app_address() -> str:
    """The address of the running application; the process ends with this one."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = os.environ | {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    atexit.register(process.terminate)
    address = f"http://127.0.0.1:{port}"
    for _ in range(2 * START_SECONDS):
        try:
            urllib.request.urlopen(address, timeout=5)
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, "app.py ended before it served a page"
            time.sleep(0.5)
        else:
            return address
    raise AssertionError(f"app.py served no page within {START_SECONDS} seconds")
