"""A few hundred hostile examples on every endpoint and control of the page; tests/fuzz.py describes them and runs more of them."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import files, fuzzed_page, memory, one_example, play
from tests.hostile import anything

EXAMPLES = 300
ROOM = 96 * 2**20  # what the C library may keep of a run's peak


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield fuzzed_page(tmp_path_factory.mktemp("model"))


def test_only_answers_or_sentences_come_back_and_nothing_stays(fuzzed):
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(st.data())
    def examples(data) -> None:
        one_example(fuzzed, data, yields=2)

    before = fuzzed.state()
    for function in fuzzed.functions:  # every one of them at least once, so that caches are full
        play(fuzzed, function, [None] * len(function.inputs), yields=1)
    used = memory()
    examples()
    assert fuzzed.state() == before
    assert memory() - used < ROOM
    assert fuzzed.seen["answer"] > EXAMPLES / 10
    assert fuzzed.seen["sentence"] > EXAMPLES / 10
    assert fuzzed.bench.store.bytes <= fuzzed.bench.store.max_bytes


def test_uploads_of_any_content(fuzzed):
    upload = next(
        fn for fn in fuzzed.functions if fn.name == "_open_saved" or "upload" in {event for _, event in fn.targets}
    )

    @settings(max_examples=20, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(files(fuzzed), anything)
    def examples(file, event) -> None:
        play(fuzzed, upload, [file] + [None] * (len(upload.inputs) - 1), 1, event=event)

    examples()
