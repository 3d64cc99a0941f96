"""Values that somebody may send to a server: ordinary ones, extreme ones, and nested ones of any kind."""

from __future__ import annotations

from hypothesis import strategies as st

WORDS = ("why do stars shine ?", "a", "fish live in water", "why " * 60)
HOSTILE = (
    *(
        "",
        " ",
        "\n",
        "\0",
        "\ud800",
        "half \udce9",
        "<img src=x onerror=alert(1)>",
        "</script><script>",
        "{{7*7}}",
        "${1}",
    ),
    *(
        "'; DROP TABLE runs; --",
        "../../etc/passwd",
        "/etc/passwd",
        "~/.ssh/id_rsa",
        "file:///etc/passwd",
        "http://127.0.0.1:1/",
    ),
    *(
        "owner/name",
        "owner/name@../..",
        "bundled\n",
        "<mask><|im_end|><|endoftext|>",
        "=1+1",
        "\u202e abc",
        "e\u0301" * 50,
    ),
    *("x" * 1001, "x" * 100_000, "你好", "🙂" * 300, "NaN", "null", "[]", "-1", "1e999"),
)
NUMBERS = (
    *(0, 1, 2, 8, 16, 32, 64, 96, 160, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0, 1.5, 3, 64.0),
    *(
        -1,
        -0.0,
        1.1,
        5.1,
        1e-9,
        1e308,
        2**31 - 1,
        2**31,
        2**63,
        2**64,
        10**30,
        float("nan"),
        float("inf"),
        -float("inf"),
    ),
)
KEYS = (
    "run",
    "lanes",
    "frames",
    "step",
    "layer",
    "head",
    "model",
    "lane",
    "path",
    "meta",
    "url",
    "value",
    "prompt",
    "view",
    "query",
)

texts = st.one_of(st.sampled_from(WORDS), st.sampled_from(HOSTILE), st.text(st.characters(), max_size=30))
numbers = st.one_of(st.sampled_from(NUMBERS), st.integers(), st.floats())
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=5)), inner, max_size=4),
    ),
    max_leaves=12,
)
