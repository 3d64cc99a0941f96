"""Chromium for the player's tests: a page that can import the player's modules, and a page with the real Gradio component."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import gradio as gr
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, sync_playwright

from sinkprune.ui.components.player import player
from sinkprune.ui.components.served import WEB

SYSTEM_CHROMIUM = Path("/usr/bin/chromium")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium where there is one, else the one that Playwright installed."""
    found = {"executable_path": str(SYSTEM_CHROMIUM)} if SYSTEM_CHROMIUM.exists() else {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(args=["--no-sandbox"], **found)
        yield browser
        browser.close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def served_modules() -> Iterator[str]:
    """The address under which the front end is served as plain files."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(WEB)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def player_page(attention_map: Callable, value: dict | None, buttons: dict[str, Callable]) -> gr.Blocks:
    """A page with one player and one button per function that makes its next value."""
    with gr.Blocks() as demo:
        shown = player(attention_map, value=value)
        for name, make in buttons.items():
            gr.Button(name).click(make, outputs=shown, show_progress="hidden")
    return demo


@contextmanager
def served_player(attention_map: Callable, value: dict | None, buttons: dict[str, Callable]) -> Iterator[str]:
    """The address of such a page at the root of a server of its own."""
    demo = player_page(attention_map, value, buttons)
    _, address, _ = demo.launch(prevent_thread_lock=True, quiet=True)
    yield address
    demo.close()


@contextmanager
def mounted_player(attention_map: Callable, value: dict | None, path: str) -> Iterator[str]:
    """The address of such a page below `path` of another application, as behind a proxy."""
    app = gr.mount_gradio_app(FastAPI(), player_page(attention_map, value, {}), path=path)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}{path}/"
    server.should_exit = True
