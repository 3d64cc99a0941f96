"""Around every request: a bound on what is sent to the server before anything reads it, and headers on what is sent back.

On a Space the page lives in an iframe of huggingface.co, so that site may frame the page, and no other. Elsewhere (a notebook, a school's
server) whoever serves the page decides who may frame it.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse

MOST_BYTES = 32 * 2**20  # of a request: the largest one that the page makes carries a saved run of 16 MB
TOO_LARGE = f"this request is larger than {MOST_BYTES >> 20} MB: send less"
FRAMED_BY = "frame-ancestors 'self' https://huggingface.co https://*.huggingface.co https://*.hf.space"

Message = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class WebGuard:
    """ASGI middleware."""

    def __init__(self, app: Callable) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        if length.isdigit() and int(length) > MOST_BYTES:
            await PlainTextResponse(TOO_LARGE, 413)(scope, receive, with_headers(send))
            return
        await self._app(scope, _bounded(receive), with_headers(send))


def _bounded(receive: Receive) -> Receive:
    """A body that comes in pieces says no length: the pieces are counted."""
    seen = 0

    async def piece() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MOST_BYTES:
            raise HTTPException(413, TOO_LARGE)
        return message

    return piece


def with_headers(send: Send) -> Send:
    """Responses forbid guessing another type and sending addresses elsewhere, and on a Space they say who may frame the page."""

    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
            if "SPACE_ID" in os.environ:
                headers.append("Content-Security-Policy", FRAMED_BY)
        await send(message)

    return answer
