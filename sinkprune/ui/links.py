"""Links that open the page in a state: one vocabulary of query parameters, the names of the page's controls.

```
tab                                                           which section opens: watch, compare, methods or table
prompt                                                        the text in the prompt box
gen_length block_length rule threshold factor cache temperature seed    how it writes (parameters of `inputs.decoding_from`)
method sparsity pattern sink_rule sink_weight allocation samples        the pruned copy; with tab=compare it is made and compared at once
expect                                                        what both lanes wrote when the link was made (`lab.compare.fingerprint`)
```
What is left out keeps the page's default, and names that are not known here are left alone. Links come from strangers: every value is
checked as if it had been typed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from sinkprune.decoding import DecodeConfig
from sinkprune.lab.runs import MAX_CHARACTERS
from sinkprune.pruning import CalibrationConfig, PruneConfig
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


@dataclass(frozen=True)
class Link:
    """What a link asks for; None where it says nothing. decoding, copy: values of the page's controls, in their order."""

    tab: str | None = None
    prompt: str | None = None
    decoding: list | None = None
    copy: list | None = None
    expect: str | None = None


def comparison_link(
    prompt: str, config: DecodeConfig, pruning: PruneConfig, calibration: CalibrationConfig, expect: str | None = None
) -> str:
    """The query ("?tab=compare&…") that makes the same comparison again. Every setting is named, so later defaults change nothing.

    expect: what both lanes wrote, where that is known already.
    """
    decoding = dict(zip(DECODING, decoding_values(config), strict=True))
    unused = {"threshold", "factor"} - {decoding["rule"]}
    copy = dict(zip(COPY, copy_values(pruning, calibration), strict=True))
    settings = {name: value for name, value in (decoding | copy).items() if name not in unused}
    return "?" + urlencode({"tab": "compare", "prompt": prompt} | settings | ({"expect": expect} if expect else {}))


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
    return Link(tab, prompt, _asked(query, DECODING, _check_decoding), _asked(query, COPY, _check_copy), expect)


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
