"""Reading a trace that comes from outside: everything that readers rely on is checked, and every refusal is a sentence.

`read_trace(content)` parses and checks, `check_trace(trace)` checks what is already parsed, `trace_text(trace)` writes it again.
Sizes are bounded before anything is decoded, and while it is unpacked, so a hostile file costs no more than MAX_BYTES.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from numbers import Real

from sinkprune.models.chat import whole_characters
from sinkprune.traces.format import FORMAT, VERSION

MAX_BYTES = 64 * 2**20
TOO_LARGE = f"the file is larger than {MAX_BYTES >> 20} MB: record a shorter run"
MAX_LANES = 3
MAX_CANDIDATES = 10
MAX_FRAMES = 1024
MAX_LENGTH = 2048
MAX_LAYERS = MAX_HEADS = 256
MAX_TEXT = 20_000
MAX_TOKEN_TEXT = 400
_GZIP = b"\x1f\x8b"
LANE_KINDS = ("dlm", "ar")
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")


def trace_text(trace: dict) -> str:
    """The trace as JSON text without spaces."""
    return json.dumps(trace, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def read_trace(content: str | bytes) -> dict:
    """A trace from JSON text, packed by gzip or not. Raises ValueError when it is no trace, too large or of another version."""
    text = _unpacked(content) if content[:2] == _GZIP else content
    if len(text) > MAX_BYTES:
        raise ValueError(TOO_LARGE)
    try:
        trace = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the file is not JSON: {error}") from None
    check_trace(trace)
    return trace


def _unpacked(packed: bytes) -> bytes:
    """What gzip packed, at most MAX_BYTES and one more: a small file can hold gigabytes."""
    try:
        with gzip.open(io.BytesIO(packed)) as stream:
            return stream.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"the file is no whole gzip file ({error}): save it again") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def check_trace(trace: object) -> None:
    """Raise ValueError with a sentence unless `trace` follows the format in every part that is read later."""
    _need(
        isinstance(trace, dict) and trace.get("format") == FORMAT, f'this is not a trace: "format" must be "{FORMAT}"'
    )
    _need(
        _is_int(trace.get("version")) and trace["version"] == VERSION,
        f"this trace has version {str(trace.get('version'))[:20]}; this program reads version {VERSION}",
    )
    _need(_is_text(trace.get("run"), 100), '"run" must be a short text')
    _need(_is_text(trace.get("prompt")), f'"prompt" must be a text of at most {MAX_TEXT} characters')
    _need(_is_plain(trace.get("settings")), '"settings" must be an object of short texts and numbers')
    model = trace.get("model")
    _need(isinstance(model, dict) and _is_text(model.get("name"), 500), '"model" must be an object with a name')
    _need(_is_int(model.get("layers"), 1, MAX_LAYERS), f'"layers" must be a whole number from 1 to {MAX_LAYERS}')
    _need(_is_int(model.get("heads"), 1, MAX_HEADS), f'"heads" must be a whole number from 1 to {MAX_HEADS}')
    _need(model.get("revision") is None or _is_text(model["revision"], 500), '"revision" must be a text or null')
    _check_view(trace.get("view"), model["layers"])
    lanes = trace.get("lanes")
    _need(isinstance(lanes, list) and 1 <= len(lanes) <= MAX_LANES, f'"lanes" must hold 1 to {MAX_LANES} lanes')
    for number, lane in enumerate(lanes, 1):
        _check_lane(lane, model["layers"], model["heads"], f"lane {number}")


def _check_view(view: object, layers: int) -> None:
    _need(view is None or isinstance(view, dict), '"view" must be an object')
    layer = (view or {}).get("layer")
    _need(layer is None or _is_int(layer, 0, layers - 1), f'"layer" of the view must be null or from 0 to {layers - 1}')


def _check_lane(lane: object, layers: int, heads: int, where: str) -> None:
    _need(
        isinstance(lane, dict) and lane.get("kind") in LANE_KINDS,
        f'{where}: "kind" must be one of {", ".join(LANE_KINDS)}',
    )
    _need(
        _is_text(lane.get("title"), 500) and _is_text(lane.get("model"), 500),
        f'{where}: "title" and "model" must be short texts',
    )
    _need(
        _is_int(lane.get("length"), 1, MAX_LENGTH), f'{where}: "length" must be a whole number from 1 to {MAX_LENGTH}'
    )
    _need(
        _is_int(lane.get("promptLength"), 0, lane["length"]),
        f'{where}: "promptLength" must lie between 0 and the length',
    )
    ids, tokens = lane.get("ids"), lane.get("tokens")
    _need(
        _is_list(ids, lane["promptLength"]) and all(map(_is_int, ids)),
        f'{where}: "ids" must hold one whole number per prompt token',
    )
    _need(
        _is_list(tokens, lane["promptLength"]) and all(_is_text(token, MAX_TOKEN_TEXT) for token in tokens),
        f'{where}: "tokens" must hold one short text per prompt token',
    )
    _need(
        _is_int(lane.get("maskId"), low=-1) and _is_text(lane.get("maskText"), MAX_TOKEN_TEXT),
        f'{where}: "maskId" must be a whole number and "maskText" a short text',
    )
    _need(isinstance(lane.get("done"), bool) and _is_text(lane.get("text")), f'{where}: "done" and "text" are missing')
    _need(_is_int(lane.get("nfe")) and _is_number(lane.get("seconds")), f'{where}: "nfe" and "seconds" must be numbers')
    _check_given(lane.get("given"), lane["promptLength"], lane["length"], where)
    frames = lane.get("frames")
    _need(
        isinstance(frames, list) and len(frames) <= MAX_FRAMES,
        f'{where}: "frames" must be a list of at most {MAX_FRAMES}',
    )
    for index, frame in enumerate(frames):
        _check_frame(frame, lane["length"], layers * heads, f"{where}, frame {index}")
        _check_changes(frame, lane["length"], layers, heads, f"{where}, frame {index}")


def _check_given(given: object, start: int, length: int, where: str) -> None:
    fits = given is None or (
        isinstance(given, list)
        and len(given) <= length - start
        and all(_is_given(entry, start, length) for entry in given)
    )
    _need(fits, f'{where}: "given" must hold [position, id, text] of positions after the prompt')


def _is_given(entry: object, start: int, length: int) -> bool:
    return (
        _is_list(entry, 3)
        and _is_int(entry[0], start, length - 1)
        and _is_int(entry[1])
        and _is_text(entry[2], MAX_TOKEN_TEXT)
    )


def _check_frame(frame: object, length: int, maps: int, where: str) -> None:
    _need(isinstance(frame, dict), f"{where} must be an object")
    _need(
        all(_is_int(frame.get(key)) for key in ("step", "block", "nfe")),
        f"{where}: step, block and nfe must be whole numbers",
    )
    _need(_is_number(frame.get("seconds")), f'{where}: "seconds" must be a number of at least 0')
    visible, rows = frame.get("visible"), frame.get("rows")
    _need(_is_int(visible, 1, length), f'{where}: "visible" must lie between 1 and the length')
    _need(
        _is_list(rows, 2) and all(_is_int(row, 0, length) for row in rows) and rows[0] < rows[1],
        f'{where}: "rows" must be [start, end] within the length',
    )
    committed = frame.get("committed")
    _need(
        isinstance(committed, list) and len(committed) <= length,
        f'{where}: "committed" must be a list within the length',
    )
    for entry in committed:
        _need(_is_committed(entry, length), f'{where}: "committed" must hold [position, id, text, confidence]')
    for key, size in (("confidence", length), ("share", 2 * length), ("heads", maps * length)):
        _need(_is_base64(frame.get(key), size), f'{where}: "{key}" must be base64 of {size} bytes')


def _check_changes(frame: dict, length: int, layers: int, heads: int, where: str) -> None:
    """The optional keys of a frame."""
    for key, size in (("kept", layers * length), ("covered", layers * heads * length), ("leftOut", layers * heads)):
        _need(
            key not in frame or _is_base64(frame[key], -(-size // 8)), f'{where}: "{key}" must be base64 of {size} bits'
        )
    filled = frame.get("filled", [])
    _need(
        isinstance(filled, list) and len(filled) <= length and all(_is_given(entry, 0, length) for entry in filled),
        f'{where}: "filled" must hold [position, id, text] within the length',
    )
    _need(
        "values" not in frame or _is_base64(frame["values"], layers * length), f'{where}: "values" must be base64 bytes'
    )
    edits = frame.get("edits", [])
    _need(
        isinstance(edits, list) and len(edits) <= length and all(_is_given(edit, 0, length) for edit in edits),
        f'{where}: "edits" must hold [position, id, text]',
    )
    touched = frame.get("kv", [0, 0])
    _need(
        _is_list(touched, 2) and all(_is_int(number, high=2**53) for number in touched),
        f'{where}: "kv" must be [entries, bytes]',
    )
    candidates = frame.get("candidates", [])
    _need(
        isinstance(candidates, list)
        and len(candidates) <= length
        and all(_is_candidates(entry, length) for entry in candidates),
        f'{where}: "candidates" must hold [position, [[text, probability], …]]',
    )


def _is_candidates(entry: object, length: int) -> bool:
    return (
        _is_list(entry, 2)
        and _is_int(entry[0], 0, length - 1)
        and isinstance(entry[1], list)
        and len(entry[1]) <= MAX_CANDIDATES
        and all(
            _is_list(one, 2) and _is_text(one[0], MAX_TOKEN_TEXT) and _is_number(one[1]) and one[1] <= 1
            for one in entry[1]
        )
    )


def _is_committed(entry: object, length: int) -> bool:
    return (
        _is_list(entry, 4)
        and _is_int(entry[0], 0, length - 1)
        and _is_int(entry[1])
        and _is_text(entry[2], MAX_TOKEN_TEXT)
        and _is_number(entry[3])
        and entry[3] <= 1
    )


def _need(condition: bool, sentence: str) -> None:
    if not condition:
        raise ValueError(sentence)


def _is_int(value: object, low: int = 0, high: int = 2**31) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and 0 <= value < 1e9


def _is_text(value: object, limit: int = MAX_TEXT) -> bool:
    return isinstance(value, str) and len(value) <= limit and (value.isascii() or whole_characters(value))


def _is_list(value: object, length: int) -> bool:
    return isinstance(value, list) and len(value) == length


def _is_base64(value: object, size: int) -> bool:
    if not isinstance(value, str) or len(value) != -(-size // 3) * 4:
        return False
    return value.count("=") == -size % 3 and _BASE64.fullmatch(value) is not None


def _is_plain(settings: object) -> bool:
    """Whether settings are what a run's settings are: a small object that can be sent as JSON."""
    try:
        text = json.dumps(settings, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return isinstance(settings, dict) and _is_text(text)
