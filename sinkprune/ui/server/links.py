"""Links that open the page in a state: one vocabulary of query parameters, the names of the page's controls.

```
tab                                                           which section opens: watch, compare, whatif, methods, table or learn
model                                                         what wrote it: compared with the page's model, never loaded
preset                                                        the recorded run that is shown
prompt                                                        the text in the prompt box
gen_length block_length rule threshold factor cache temperature seed
cfg_scale stop_at_end retention kernel delay keep             how it writes (parameters of `inputs.decoding_from`)
method sparsity pattern sink_rule sink_weight allocation samples        the pruned copy; with tab=compare it is made and compared at once
change lane covered … blank_tokens                            what is changed while it writes (`what_if_inputs.WHAT_IF`)
edits edited_lane                                             tokens that were put into a lane of that run (`traces.touch`), as JSON
lanes                                                         dlm or dlm,ar: the prompt is run at once and watched in these lanes
closely                                                       True: candidates and value norms are recorded, too
expect                                                        what both lanes wrote when the link was made (`traces.parting.fingerprint`)
```
A name that is left out keeps the page's default. Names that are not known here are left alone: step, layer and the like are the player's
(`player/scene.js`). Links come from strangers: every value is
checked as if it had been typed.

A model is a registry name, followed by the form of quantised weights, or "own": folders and other hub ids stay with their owner.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from sinkprune.decoding import DecodeConfig
from sinkprune.lab.request import Request
from sinkprune.models.registry import MODELS, QUANTIZATIONS
from sinkprune.traces.runs import MAX_CHARACTERS
from sinkprune.traces.touch import Touch, touch_asked
from sinkprune.ui.inputs import (
    COPY,
    DECODING,
    SPARSE,
    check_offered,
    copy_from,
    copy_values,
    decoding_from,
    decoding_values,
)
from sinkprune.ui.what_if_inputs import WHAT_IF, check_what_if, decoding_shown, what_if_values

TABS = ("watch", "compare", "whatif", "methods", "table", "learn")
WORDS = {"rule", "cache", "keep", "method", "pattern", "sink_rule", "allocation"}
FLAGS = {"sink_weight", "stop_at_end"}
UNNAMED = DECODING | {"stop_at_end": False}  # what a link means that does not name a setting: some are older than it
WORDS |= {name for name, value in WHAT_IF.items() if isinstance(value, str)}
EXPECT = re.compile(r"[0-9a-f]{12}")
PRESET = re.compile(r"[a-z0-9-]{1,40}")
MOST_TOUCHED = 2000  # characters of a link's edits
OWN = "own"
MODEL_NAMES = {OWN, *MODELS, *(f"{name} ({form})" for name in MODELS for form in QUANTIZATIONS)}
LANES = {"dlm": False, "dlm,ar": True}  # -> whether the autoregressive lane is beside


@dataclass(frozen=True)
class Link:
    """What a link asks for; None where it says nothing.

    values: of the page's controls, by name: "prompt", "both", "closely", all of `inputs.DECODING` or none, all of `inputs.COPY` or none,
        all of `what_if_inputs.WHAT_IF` or none.
    """

    tab: str | None = None
    model: str | None = None
    expect: str | None = None
    values: dict = field(default_factory=dict)
    touch: Touch | None = None

    @property
    def whole(self) -> bool:
        """Whether it says everything about a comparison."""
        return {"prompt", *DECODING, *COPY} <= self.values.keys()


def link_to(request: Request, expect: str | None = None) -> str:
    """The query ("?tab=…&…") that makes the same run again. Every setting is named, so later defaults change nothing.

    expect: what both lanes of a comparison wrote, where that is known already.
    """
    compared = request.pruning is not None
    changed = request.controls or request.blanks is not None
    tab = "compare" if compared else "whatif" if changed else "watch"
    parts = {"tab": tab, "model": request.model or OWN, "prompt": request.prompt}
    parts |= _decoding(decoding_shown(request) if changed else request.decoding)
    if changed:
        parts |= what_if_values(request) | _touch(request.touch)
    elif compared:
        parts |= copy_values(request.pruning, request.calibration) | ({"expect": expect} if expect else {})
    else:
        parts |= {"lanes": ",".join(request.lanes)} | ({"closely": True} if request.closely else {})
    return "?" + urlencode(parts)


def preset_link(name: str) -> str:
    """The query that shows a recorded run."""
    return "?" + urlencode({"preset": name})


def _decoding(config: DecodeConfig) -> dict:
    """The settings of a config by the names of the page's controls, without those that it does not use."""
    values = decoding_values(config)
    unused = {"threshold", "factor"} - {values["rule"]}
    unused |= {name for name in ("cfg_scale", "stop_at_end") if not getattr(config, name)}
    if config.cache != "sparse":
        unused |= set(SPARSE)
    return {name: value for name, value in values.items() if name not in unused}


def without_expect(link: str) -> str:
    """The same link, whatever was written."""
    return link.partition("&expect=")[0]


def read_link(query: Mapping[str, str]) -> Link:
    """What the parameters of an address ask for. Raises ValueError with a sentence where a value is not one the page offers."""
    tab, prompt, expect = (query.get(name) for name in ("tab", "prompt", "expect"))
    if tab is not None and tab not in TABS:
        raise ValueError(f"the link's tab must be one of {', '.join(TABS)}")
    if prompt is not None and len(prompt) > MAX_CHARACTERS:
        raise ValueError(f"the link's prompt is longer than {MAX_CHARACTERS} characters")
    if expect is not None and not EXPECT.fullmatch(expect):
        raise ValueError("the link's expect must be 12 hexadecimal digits")
    preset, lanes, model = (query.get(name) for name in ("preset", "lanes", "model"))
    if preset is not None and not PRESET.fullmatch(preset):
        raise ValueError("the link's preset must be the name of a recorded run")
    if lanes is not None and lanes not in LANES:
        raise ValueError(f"the link's lanes must be {' or '.join(LANES)}")
    if model is not None and model not in MODEL_NAMES:
        raise ValueError(f"the link's model must be a name from this page's table of models, or {OWN}")
    values = {} if prompt is None else {"prompt": prompt}
    if lanes is not None:
        values["both"] = LANES[lanes]
    if query.get("closely") == "True":
        values["closely"] = True
    values |= _asked(query, UNNAMED, _check_decoding) | _asked(query, COPY, _check_copy)
    values |= _asked(query, WHAT_IF, check_what_if)
    return Link(tab, model, expect, values, _touch_asked(query))


def _touch(touch: Touch | None) -> dict:
    if touch is None:
        return {}
    return {"edits": json.dumps(touch.as_lists(), ensure_ascii=False, separators=(",", ":")), "edited_lane": touch.lane}


def _touch_asked(query: Mapping[str, str]) -> Touch | None:
    edits, lane = query.get("edits"), query.get("edited_lane", "0")
    if edits is None:
        return None
    try:
        lists = json.loads(edits) if len(edits) <= MOST_TOUCHED else None
    except (ValueError, RecursionError):
        lists = None
    touch = touch_asked(lists, int(lane)) if lane in ("0", "1", "2") else None
    if touch is None:
        raise ValueError("the link's edits must be a short list of [after, position, token], in a lane from 0 to 2")
    return touch


def _asked(query: Mapping[str, str], defaults: dict, check: Callable[[dict], object]) -> dict:
    """The values of a group of controls, none where the link names none of them."""
    if not any(name in query for name in defaults):
        return {}
    values = {name: _value(name, query[name]) if name in query else default for name, default in defaults.items()}
    check(values)
    return values


def _value(name: str, text: str) -> str | float | bool:
    if name in WORDS:
        return text
    if name in FLAGS:
        if text not in ("True", "False"):
            raise ValueError(f"the link's {name} must be True or False")
        return text == "True"
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"the link's {name} must be a number, not {text[:40]!r}") from None
    return int(number) if number.is_integer() else number


def _check_decoding(values: dict) -> None:
    decoding_from(**values)
    check_offered(values)


def _check_copy(values: dict) -> None:
    copy_from(values)
    check_offered(values)
