"""Touch a token: after a step of a finished run somebody puts a token, or MASK again, into a lane, and the model goes on from there."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import torch

from sinkprune.decoding import Cover, DecodeConfig, LeaveOutHeads, Step, resume, resume_autoregress
from sinkprune.decoding.checks import is_whole
from sinkprune.models import LoadedModel, token_texts
from sinkprune.models.chat import encode_text, whole_characters
from sinkprune.traces.controls import Change, changes_of
from sinkprune.traces.format import add_step
from sinkprune.traces.parting import put_by

MOST_EDITS = 8
MOST_STEPS, MOST_POSITIONS = 1024, 2048
MAX_TOKEN_TEXT = 100


@dataclass(frozen=True)
class Edit:
    """After `after` steps of a lane, the text `token` is put at `position`; None is MASK, which the model fills in anew."""

    after: int
    position: int
    token: str | None = None

    def __post_init__(self) -> None:
        if not _whole(self.after, 1, MOST_STEPS):
            raise ValueError(f"touch a token after a step, from 1 to {MOST_STEPS}, not {str(self.after)[:40]}")
        if not _whole(self.position, 0, MOST_POSITIONS - 1):
            raise ValueError(f"a touched token's position is a whole number from 0 on, not {str(self.position)[:40]}")
        if self.token is not None and not _is_token_text(self.token):
            raise ValueError(f"the new token must be a text of 1 to {MAX_TOKEN_TEXT} characters, or null for a mask")


@dataclass(frozen=True)
class Touch:
    """lane: of the run, from 0. edits: each one goes into the lane that those before it made."""

    lane: int
    edits: tuple[Edit, ...]

    def __post_init__(self) -> None:
        if not _whole(self.lane, 0, 2):
            raise ValueError(f"the touched lane is 0, 1 or 2, not {str(self.lane)[:40]}")
        if not 1 <= len(self.edits) <= MOST_EDITS:
            raise ValueError(f"touch from 1 to {MOST_EDITS} tokens in a row, not {len(self.edits)}")
        steps = [edit.after for edit in self.edits]
        if steps != sorted(steps):
            raise ValueError("touch tokens in the order of the steps: a later edit cannot come before an earlier one")

    @property
    def before(self) -> Touch | None:
        """Without the last edit; None where there is no other."""
        return replace(self, edits=self.edits[:-1]) if len(self.edits) > 1 else None

    def then(self, edit: Edit) -> Touch:
        """Touched once more; edits after later steps are undone."""
        return replace(self, edits=(*(one for one in self.edits if one.after <= edit.after), edit))

    def as_lists(self) -> list[list]:
        """[[after, position, token], …], as links, settings and endpoints write the edits."""
        return [[edit.after, edit.position, edit.token] for edit in self.edits]


def touch_asked(edits: object, lane: object = 0) -> Touch | None:
    """The touch of `Touch.as_lists`, from outside; None where there are no edits. Raises ValueError with a sentence."""
    if not edits:
        return None
    if not isinstance(edits, list | tuple) or len(edits) > MOST_EDITS:
        raise ValueError(f"edits must be a list of at most {MOST_EDITS} entries [after, position, token]")
    if not all(isinstance(edit, list | tuple) and len(edit) in (2, 3) for edit in edits):
        raise ValueError("an edit is [after, position, token]: after a step, at a position, a text or null for a mask")
    return Touch(lane, tuple(Edit(*edit) for edit in edits))


def touched_again(touch: Touch | None, lane: int, edit: Edit) -> Touch:
    """The touch after `edit` in a lane of what is shown.

    That is the run itself where touch is None, else two lanes: before the last edit of touch, and after it.
    """
    if touch is None:
        return Touch(lane, (edit,))
    if not _whole(lane, 0, 1):
        raise ValueError("a touched run has two lanes: touch one of them")
    whole = touch if lane == 1 else touch.before
    return whole.then(edit) if whole else replace(touch, edits=(edit,))


def token_of(loaded: LoadedModel, text: str | None) -> int:
    """The one token that `text` is, MASK for None. A word may lack or have the space before it. Raises ValueError where it is none."""
    if text is None:
        return loaded.spec.mask_token_id
    for end in sorted(loaded.spec.end_token_ids):
        if token_texts(loaded, [end]) == [text]:
            return end
    readings = [encode_text(loaded.tokenizer, one) for one in (text, text.lstrip(), f" {text}") if one]
    found = next((ids[0] for ids in readings if len(ids) == 1), None)
    if found is None:
        raise ValueError(f"“{text}” is {len(readings[0])} tokens of this model: put one there, such as a short word")
    return found


def touched_change(
    number: int,
    lanes: Sequence[str],
    config: DecodeConfig,
    intervention: Cover | LeaveOutHeads | None,
    controls: bool,
) -> tuple[str, Change]:
    """(kind, what is changed) of a lane of `traces.runs.trace_run`. Raises ValueError where there is no such lane."""
    found = [(kind, change) for kind in lanes for change in changes_of(kind, config, intervention, controls)]
    if number >= len(found):
        raise ValueError(f"this run has {len(found)} lanes: touch one from 0 to {len(found) - 1}, not {number}")
    return found[number]


def check_touch(loaded: LoadedModel, touch: Touch, kind: str) -> None:
    """Raise ValueError, before the work, where a token cannot be put into a lane of that kind."""
    for edit in touch.edits:
        if edit.token is None and kind == "ar":
            raise ValueError("the autoregressive lane cannot fill a mask in: put a token there")
        token_of(loaded, edit.token)


def touch_run(loaded: LoadedModel, trace: dict, touch: Touch, change: Change) -> Iterator[dict]:
    """Make the last edit of `touch` in a finished trace: yields the growing trace of the lane as it was and the touched one beside it.

    trace: of the run, or of the edits before the last. change: what is changed in that lane. Raises ValueError at the call: a step or
    position that the lane does not have, a text that is no token, nothing left to write.
    """
    number, edit = (1 if touch.before else touch.lane), touch.edits[-1]
    old = trace["lanes"][number]
    if edit.after > len(old["frames"]):
        raise ValueError(
            f"this lane has {len(old['frames'])} steps: touch it after one of them, not after {edit.after}"
        )
    check_touch(loaded, touch, old["kind"])
    edits = {position: token for position, token, _ in _edits_at(old, edit.after)}
    edits[edit.position] = token_of(loaded, edit.token)
    steps = _resumed(loaded, old, edit.after, edits, change)
    put = [[*one, text] for one, text in zip(edits.items(), token_texts(loaded, edits.values()), strict=True)]
    lane = {
        **old,
        "title": f"{old['title']} and {edit.after}" if touch.before else f"Touched after step {edit.after}",
        "frames": old["frames"][: edit.after],
        "done": False,
    }
    settings = {**trace["settings"], "touched": {"lane": touch.lane, "edits": touch.as_lists()}}
    grown = {**trace, "run": uuid.uuid4().hex, "settings": settings, "lanes": [old, lane]}
    return _go_on(loaded, grown, steps, put)


def _go_on(loaded: LoadedModel, trace: dict, steps: Iterator[Step], put: list[list]) -> Iterator[dict]:
    old, lane = trace["lanes"]
    with closing(steps):
        for number, step in enumerate(steps):
            lane = add_step(lane, step, loaded)
            if number == 0:
                lane["frames"][-1]["edits"] = put
            yield {**trace, "lanes": [old, lane]}
    yield {**trace, "lanes": [old, {**lane, "done": True}]}


def _resumed(loaded: LoadedModel, lane: dict, after: int, edits: dict[int, int], change: Change) -> Iterator[Step]:
    """The steps that follow; they carry what the lane's frames carry."""
    steps, first = steps_of(lane, after), lane["frames"][0]
    wanted = {"record": True, "intervention": change.intervention, "value_norms": "values" in first}
    prompt, config = torch.tensor([lane["ids"]]), change.config
    if lane["kind"] == "ar":
        return resume_autoregress(loaded, prompt, config.gen_length, steps, after - 1, edits, **wanted)
    blanks = bool(lane.get("given"))
    text = _start(lane) if blanks else prompt
    wanted["candidates"] = "candidates" in first
    return resume(loaded, text, config, steps, after - 1, edits, blanks=blanks, **wanted)


def steps_of(lane: dict, count: int) -> list[Step]:
    """The first `count` steps of a lane again, without what was recorded of them."""
    canvas, steps = _start(lane)[0], []
    for frame in lane["frames"][:count]:
        for position, token in put_by(frame).items():
            canvas[position] = token
        steps.append(
            Step(
                index=frame["step"],
                block=frame["block"],
                nfe=frame["nfe"],
                canvas=canvas[None, : frame["visible"]].clone(),
                committed=torch.tensor([entry[0] for entry in frame["committed"]]),
                confidence=torch.full((frame["visible"],), torch.nan),
                rows=tuple(frame["rows"]),
                seconds=frame["seconds"],
            )
        )
    return steps


def _start(lane: dict) -> torch.Tensor:
    """(1, N) where a lane began: prompt, given tokens, MASK elsewhere."""
    canvas = torch.full((1, lane["length"]), lane["maskId"])
    canvas[0, : lane["promptLength"]] = torch.tensor(lane["ids"])
    for position, token, _ in lane.get("given", ()):
        canvas[0, position] = token
    return canvas


def _edits_at(lane: dict, number: int) -> list[list]:
    """What was put into the lane before its frame of that number."""
    return lane["frames"][number].get("edits", []) if number < len(lane["frames"]) else []


def _whole(value: object, low: int, high: int) -> bool:
    return not isinstance(value, bool) and is_whole(value, low, high)


def _is_token_text(token: object) -> bool:
    return isinstance(token, str) and 1 <= len(token) <= MAX_TOKEN_TEXT and whole_characters(token)
