"""Made-up traces for the player's tests: sinks that drift in a diffusion lane, a sink that stays in an autoregressive one."""

from __future__ import annotations

import base64
import copy

import numpy as np

PROMPT = [
    "<|im_start|>",
    "user",
    "\n",
    "Why",
    " is",
    " the",
    " sky",
    " blue",
    "?",
    "<|im_end|>",
    "\n",
    "<|im_start|>",
    "assistant",
    "\n",
]
WORDS = """The sky looks blue because air scatters short waves of light more than long ones .
Sun light holds all colours , and the blue part is sent in every direction .
At dusk the light has a longer way , so the blue is gone and red is left .""".split()  # noqa: SIM905
MASK_ID = 3
END = "<|im_end|>"
BEGIN = "<|endoftext|>"
HOSTILE = '<img src=x onerror="window.hacked=1">'


def make_trace(
    length: int = 110,
    steps: int = 48,
    layers: int = 12,
    heads: int = 9,
    block: int = 32,
    kinds=("dlm", "ar"),
    seed: int = 0,
    cache=False,
    begin: bool = False,
) -> dict:
    """A finished trace. length: positions; steps: denoising steps of diffusion; kinds: one lane each; cache: rows of the block only.

    begin: the autoregressive lane has a begin token before the prompt, and so one position more.
    """
    prompt = len(PROMPT)
    length = prompt + (length - prompt) // block * block
    lanes = []
    for index, kind in enumerate(kinds):
        rng = np.random.default_rng(seed + index)
        lane = _lane(kind, "Diffusion" if kind == "dlm" else "Autoregressive", length)
        if kind == "dlm":
            _diffuse(lane, steps, layers, heads, block, rng, cache)
        else:
            _continue(lane, min(steps + 16, length - prompt), layers, heads, rng)
        _finish(lane)
        lanes.append(_with_begin(lane, layers * heads) if begin and kind == "ar" else lane)
    settings = {"gen_length": length - prompt, "block_length": block, "steps": steps, "threshold": None, "factor": None}
    model = {"name": "made-up", "layers": layers, "heads": heads, "revision": None}
    return {
        "format": "sinkprune-trace", "version": 1, "run": f"made-up-{seed}-{length}-{steps}", "prompt": "Why is the sky blue?",
        "model": model, "settings": settings, "lanes": lanes,
    }  # fmt: skip


def growing(trace: dict):
    """The same run as it streams: the trace after every step, not done until the last."""
    total = max(len(lane["frames"]) for lane in trace["lanes"])
    for count in range(1, total + 1):
        part = copy.copy(trace)
        part["lanes"] = [
            {**lane, "frames": lane["frames"][:count], "done": count >= len(lane["frames"])} for lane in trace["lanes"]
        ]
        yield part


def make_map(question: dict) -> dict:
    """An attention map with a strong diagonal and one sink, in the form the server answers."""
    n = len(question["ids"])
    distance = np.abs(np.arange(n)[:, None] - np.arange(n)[None])
    p = np.exp(-distance / 6.0) + 0.02
    p[:, (question["layer"] or 0) * 3 % n] += 1.5
    if question["causal"]:
        p *= np.tri(n)
    p /= p.sum(1, keepdims=True)
    return {"n": n, "map": _pack((255 * np.sqrt(p)).round().astype(np.uint8))}


def _lane(kind: str, title: str, length: int) -> dict:
    ids = list(range(10, 10 + len(PROMPT)))
    return {
        "kind": kind, "title": title, "model": "bundled", "promptLength": len(PROMPT), "length": length, "ids": ids, "tokens": PROMPT,
        "maskId": MASK_ID, "maskText": "<mask>", "frames": [], "done": False, "text": "", "nfe": 0, "seconds": 0.0,
    }  # fmt: skip


def _with_begin(lane: dict, maps: int) -> dict:
    """The lane with every position moved on by one, and the begin token, without attention, at position 0."""

    def moved(frame: dict) -> dict:
        return frame | {
            "rows": [0, frame["rows"][1] + 1], "visible": frame["visible"] + 1,
            "committed": [[position + 1, *rest] for position, *rest in frame["committed"]],
            "confidence": _widened(frame["confidence"], "u1", 1, 255), "share": _widened(frame["share"], "<u2", 1, 0),
            "heads": _widened(frame["heads"], "u1", maps, 0),
        }  # fmt: skip

    return {
        **lane, "promptLength": lane["promptLength"] + 1, "length": lane["length"] + 1, "ids": [0, *lane["ids"]],
        "tokens": [BEGIN, *lane["tokens"]], "frames": [moved(frame) for frame in lane["frames"]],
    }  # fmt: skip


def _widened(packed: str, kind: str, rows: int, value: int) -> str:
    values = np.frombuffer(base64.b64decode(packed), kind).reshape(rows, -1)
    return _pack(np.insert(values, 0, value, axis=1))


def _word(position: int, length: int) -> str:
    at = position - len(PROMPT)
    if at >= len(WORDS):
        return END
    word = WORDS[at]
    return word if at == 0 or word in ".," else " " + word


def _diffuse(lane, steps, layers, heads, block, rng, cache):
    length, prompt = lane["length"], len(PROMPT)
    blocks = (length - prompt) // block
    per_block = max(1, steps // blocks)
    bias = rng.gamma(0.6, 1.0, (layers, heads, 3))
    masked = set(range(prompt, length))
    for step in range(per_block * blocks):
        current, within = divmod(step, per_block)
        start, end = prompt + current * block, prompt + (current + 1) * block
        here = sorted(masked & set(range(start, end)))
        count = -(-len(here) // (per_block - within))
        order = sorted(here, key=lambda p: (p - start) * 0.6 + rng.normal() * 6)
        committed = sorted(order[:count])
        progress = step / (per_block * blocks)
        centres = [8 if progress < 0.3 else 14, start + 3 + 12 * within / per_block, 13 + progress * (length - 30)]
        rows = (start, end) if cache and within else (0, length)
        _add(lane, step, current, _heads(length, length, centres, bias, rng), committed, rows, length, rng)
        masked -= set(committed)


def _continue(lane, steps, layers, heads, rng):
    bias = rng.gamma(0.6, 1.0, (layers, heads, 3)) * np.array([3.0, 0.05, 0.05])
    for step in range(steps):
        visible = len(PROMPT) + step + 1
        share = _heads(lane["length"], visible, [0, visible - 1, visible / 2], bias, rng)
        _add(lane, step, 0, share, [len(PROMPT) + step], (0, visible), visible, rng)


def _heads(length, visible, centres, bias, rng) -> np.ndarray:
    """(L, H, N) shares: noise, plus a peak at each centre with a weight of its own in every head."""
    share = rng.gamma(1.2, 0.5, (*bias.shape[:2], length)) * (0.7 + 0.5 * np.sin(np.arange(length) / 3.7) ** 2)
    for which, centre in enumerate(centres):
        share[:, :, round(centre)] += bias[:, :, which] * length / 14
        share[:, :, min(length - 1, round(centre) + 1)] += bias[:, :, which] * length / 60
    share[:, :, visible:] = 0
    return share / share.sum(-1, keepdims=True)


def hostile_trace(**options: object) -> dict:
    """A trace of `make_trace` with markup for titles, answers and tokens."""
    trace = copy.deepcopy(make_trace(**options))
    for lane in trace["lanes"]:
        lane["title"] = lane["text"] = HOSTILE
        lane["tokens"][4] = HOSTILE
        for frame in lane["frames"]:
            for entry in frame["committed"]:
                entry[2] = HOSTILE
    return trace


def _add(lane, step, block, share, committed, rows, visible, rng):
    confidence = np.full(lane["length"], 255, np.uint8)
    confidence[rows[0] : rows[1]] = (254 * rng.beta(2, 2, rows[1] - rows[0])).astype(np.uint8)
    words = [_word(p, lane["length"]) for p in committed]
    lane["nfe"] = step + 1
    lane["seconds"] = round(0.061 * (step + 1), 3)
    lane["frames"].append({
        "step": step, "block": block, "nfe": step + 1, "seconds": lane["seconds"], "rows": list(rows), "visible": visible,
        "committed": [[p, 100 + p, w, round(float(rng.beta(5, 2)), 3)] for p, w in zip(committed, words, strict=True)],
        "confidence": _pack(confidence),
        "share": _pack((share.mean((0, 1)) * 65535).round().astype("<u2")),
        "heads": _pack((255 * np.sqrt(share)).round().astype(np.uint8)),
    })  # fmt: skip


def _finish(lane):
    written = sorted((entry[0], entry[2]) for frame in lane["frames"] for entry in frame["committed"])
    lane["text"] = "".join(text for _, text in written if text != END)
    lane["done"] = True


def _pack(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()
