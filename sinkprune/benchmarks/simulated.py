"""A visitor without a browser: speaks to the page as its front end does, with a session and a stream of events."""

from __future__ import annotations

import html
import json
import re
import time
import uuid
from dataclasses import dataclass

import httpx

API = "/gradio_api"
MEAN_LAYER = {"figures-layer": 0}  # other entries of that list come and go with the run on show
REFUSED = re.compile(r"(?:Not started|Ended early)</b> (.*?)</p>")  # how the page's status line says so
TIMEOUT = httpx.Timeout(30.0, read=120.0)  # seconds without a sign of life that count as a hang


@dataclass(frozen=True)
class Outcome:
    """What came of one press. ended: "done", "refused", "failed" or "left"; words: the sentence where it was not done.

    first: seconds until the first tokens, None without any. seconds: until the end.
    """

    ended: str
    words: str
    first: float | None
    seconds: float


class Visitor:
    """Opens the page at `address`, which must be on this machine. Raises httpx.HTTPError where it does not answer."""

    def __init__(self, address: str) -> None:
        if httpx.URL(address).host != "127.0.0.1":
            raise ValueError("visitors are simulated on this machine only: 127.0.0.1")
        self._http = httpx.Client(base_url=address, timeout=TIMEOUT)
        self._session = uuid.uuid4().hex
        self.open()
        config = self._http.get("/config").raise_for_status().json()
        self._components = {component["id"]: component for component in config["components"]}
        self._events = config["dependencies"]

    def open(self) -> float:
        """Fetch the page; seconds."""
        began = time.perf_counter()
        self._http.get("/").raise_for_status()
        return time.perf_counter() - began

    def play(self, preset: int) -> float:
        """Choose the recorded run at this place of the list; seconds until it is there. Raises httpx.HTTPError."""
        event = self._event("presets", "input")
        choices = self._components[event["inputs"][0]]["props"]["choices"]
        began = time.perf_counter()
        asked = self._body(event, {"presets": choices[preset % len(choices)][1]})
        self._http.post(f"{API}/run/predict", json=asked).raise_for_status()
        return time.perf_counter() - began

    def press(self, button: str, values: dict[str, object], leave_after: float | None = None) -> Outcome:
        """Press a button and watch until the end.

        values: by elem_id or label of the control; the others as the page opens. leave_after: seconds until the visitor goes.
        """
        began, first, refused = time.perf_counter(), None, None
        body = self._body(self._event(button, "click"), MEAN_LAYER | values)
        joined = self._http.post(f"{API}/queue/join", json=body)
        if joined.status_code != 200:
            return Outcome("refused", joined.text[:200], None, time.perf_counter() - began)
        ours = joined.json()["event_id"]
        with self._http.stream("GET", f"{API}/queue/data", params={"session_hash": self._session}) as stream:
            for line in stream.iter_lines():
                passed = time.perf_counter() - began
                if leave_after is not None and passed > leave_after:
                    return Outcome("left", "", first, passed)
                if not line.startswith("data:"):
                    continue
                if first is None and '"committed"' in line:
                    first = passed
                refused = REFUSED.search(line) or refused
                message = json.loads(line[5:])
                if message.get("event_id") == ours and message["msg"] == "process_completed":
                    return _ended(message, refused, first, passed)
        return Outcome("failed", "the stream of events ended", first, time.perf_counter() - began)

    def close(self) -> None:
        """Leave the page."""
        self._http.close()

    def _event(self, elem_id: str, name: str) -> dict:
        """The event that does something on the server."""
        for event in self._events:
            for target, kind in event["targets"]:
                if kind == name and self._props(target).get("elem_id") == elem_id and event["outputs"]:
                    return event
        raise ValueError(f"the page has no {name} of {elem_id}")

    def _body(self, event: dict, values: dict[str, object]) -> dict:
        data = []
        for number in event["inputs"]:
            props = self._props(number)
            name = next((key for key in (props.get("elem_id"), props.get("label")) if key in values), None)
            data.append(props.get("value") if name is None else values[name])
        return {"data": data, "fn_index": event["id"], "session_hash": self._session}

    def _props(self, number: int) -> dict:
        return self._components.get(number, {}).get("props", {})


def _ended(message: dict, refused: re.Match | None, first: float | None, seconds: float) -> Outcome:
    if not message["success"]:
        return Outcome("failed", str(message["output"].get("error")), first, seconds)
    if refused:
        return Outcome("refused", html.unescape(refused[1]), first, seconds)
    return Outcome("done", "", first, seconds)
