"""Links that open the page in a state: one vocabulary of query parameters, the names of the page's controls.

```
tab                                                           which section opens: watch, compare, methods or table
model                                                         what wrote it: compared with the page's model, never loaded
preset                                                        the recorded run that is shown
prompt                                                        the text in the prompt box
gen_length block_length rule threshold factor cache temperature seed    how it writes (parameters of `inputs.decoding_from`)
method sparsity pattern sink_rule sink_weight allocation samples        the pruned copy; with tab=compare it is made and compared at once
lanes                                                         dlm or dlm,ar: the prompt is run at once and watched in these lanes
expect                                                        what both lanes wrote when the link was made (`traces.parting.fingerprint`)
```
What is left out keeps the page's default, and names that are not known here are left alone: those of what is looked at (step, layer, …)
are the player's (`player/scene.js`). Links come from strangers: every value is
checked as if it had been typed.

A model is a registry name, with the form of quantised weights behind it, or "own": folders and other hub ids stay with their owner.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from sinkprune.decoding import DecodeConfig
from sinkprune.models.registry import MODELS, QUANTIZATIONS
from sinkprune.pruning import CalibrationConfig, PruneConfig
from sinkprune.traces.runs import MAX_CHARACTERS
from sinkprune.ui.inputs import (
    COPY,
    DECODING,
    calibration_from,
    check_offered,
    copy_values,
    decoding_from,
    decoding_values,
    pruning_from,
)

TABS = ("watch", "compare", "methods", "table")
WORDS = {"rule", "cache", "method", "pattern", "sink_rule", "allocation"}
EXPECT = re.compile(r"[0-9a-f]{12}")
PRESET = re.compile(r"[a-z0-9-]{1,40}")
OWN = "own"
MODEL_NAMES = {OWN, *MODELS, *(f"{name} ({form})" for name in MODELS for form in QUANTIZATIONS)}
LANES = {"dlm": False, "dlm,ar": True}  # -> whether the autoregressive lane is beside


@dataclass(frozen=True)
class Link:
    """What a link asks for; None where it says nothing. decoding, copy: values of the page's controls, in their order. both: see LANES."""

    tab: str | None = None
    prompt: str | None = None
    both: bool | None = None
    decoding: list | None = None
    copy: list | None = None
    expect: str | None = None
    model: str | None = None


def comparison_link(
    model: str | None,
    prompt: str,
    config: DecodeConfig,
    pruning: PruneConfig,
    calibration: CalibrationConfig,
    expect: str | None = None,
) -> str:
    """The query ("?tab=compare&…") that makes the same comparison again. Every setting is named, so later defaults change nothing.

    model: `ModelSpec.public_name` of the dense one. expect: what both lanes wrote, where that is known already.
    """
    copy = dict(zip(COPY, copy_values(pruning, calibration), strict=True))
    settings = _decoding(config) | copy | ({"expect": expect} if expect else {})
    return "?" + urlencode({"tab": "compare", "model": model or OWN, "prompt": prompt} | settings)


def watch_link(model: str | None, prompt: str, config: DecodeConfig, both: bool) -> str:
    """The query ("?tab=watch&…") that makes the same run again, and watches it.

    model: see `comparison_link`. both: beside the autoregressive lane.
    """
    lanes = next(name for name, beside in LANES.items() if beside == both)
    made_by = {"tab": "watch", "model": model or OWN, "prompt": prompt}
    return "?" + urlencode(made_by | _decoding(config) | {"lanes": lanes})


def preset_link(name: str) -> str:
    """The query that shows a recorded run."""
    return "?" + urlencode({"preset": name})


def _decoding(config: DecodeConfig) -> dict:
    """The settings of a config by the names of the page's controls, without the one that it does not use."""
    values = dict(zip(DECODING, decoding_values(config), strict=True))
    unused = {"threshold", "factor"} - {values["rule"]}
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
    decoding, copy = _asked(query, DECODING, _check_decoding), _asked(query, COPY, _check_copy)
    return Link(tab, prompt, LANES.get(lanes), decoding, copy, expect, model)


def _asked(query: Mapping[str, str], defaults: dict, check) -> list | None:
    """The values of a group of controls, or None where the link names none of them."""
    if not any(name in query for name in defaults):
        return None
    values = [_value(name, query[name]) if name in query else default for name, default in defaults.items()]
    check(values)
    return values


def _value(name: str, text: str) -> str | float | bool:
    if name in WORDS:
        return text
    if name == "sink_weight":
        if text not in ("True", "False"):
            raise ValueError("the link's sink_weight must be True or False")
        return text == "True"
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"the link's {name} must be a number, not {text[:40]!r}") from None
    return int(number) if number.is_integer() else number


def _check_decoding(values: list) -> None:
    decoding_from(*values)
    check_offered(dict(zip(DECODING, values, strict=True)))


def _check_copy(values: list) -> None:
    pruning_from(*values[:-1])
    calibration_from(values[-1])
    check_offered(dict(zip(COPY, values, strict=True)))
