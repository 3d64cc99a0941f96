"""The Learn tab's texts, and its microscope on a tiny model: what is asked is checked, what was measured is kept."""

import re

import pytest

from sinkprune.pruning import METHODS
from sinkprune.recorded.microscope import load_microscope
from sinkprune.ui.components.learn import texts
from sinkprune.ui.sections import learn
from sinkprune.ui.server.scheduler import Lines
from tests.word_model import tiny_model

CARDS, QUIZ, GLOSSARY = (texts(name) for name in ("cards", "quiz", "glossary"))
TERM = re.compile(r"\[\[([^\]|]+)(?:\|([^\]]+))?\]\]")
FIRST = (1, "q", 3, -1, 0.5, "reference", "prompt")  # layer, projection, row, first input, sparsity, rule, text


def plain(text):
    return TERM.sub(lambda match: match[2] or match[1], text)


def test_cards_are_short_enough_to_be_read_aloud():
    assert len(CARDS) == 7
    for card in CARDS:
        assert len(f"{card['title']} {plain(card['text'])} {card['task']}".split()) <= 75, card["title"]
        assert len(plain(card["text"]).split()) < 60, card["title"]
        assert all(len(sentence.split()) <= 25 for sentence in re.split(r"[.?!:]", plain(card["text"])))
    assert [card["predict"] for card in CARDS if "predict" in card] == ["3", "6", "7"]


def test_every_answer_of_the_quiz_has_its_reason():
    assert len(QUIZ) == 5
    for question in QUIZ:
        assert sum(bool(option.get("right")) for option in question["options"]) == 1
        assert all(len(option["why"]) > 20 for option in question["options"])


def test_every_term_that_is_marked_has_a_sentence():
    marked = [text for card in CARDS for text in (card["text"], card["task"])]
    marked += [path.read_text(encoding="utf-8") for path in learn.components.FOLDER.glob("*.html")]
    used = {match[1] for text in marked for match in TERM.finditer(text)}
    assert used
    assert used <= set(GLOSSARY)
    assert all(sentence.endswith(".") and len(sentence.split()) <= 30 for sentence in GLOSSARY.values())


def test_the_glossary_has_the_words_of_the_page():
    """Methods and settings by the names that the page's controls give them."""
    words = {
        *METHODS,
        "threshold",
        "factor",
        "temperature",
        "seed",
        "sparsity",
        "pattern",
        "sink rule",
        "block",
        "calibration",
    }
    words |= {"forward pass", "NFE", "key-value cache", "ablation", "interval", "nats", "bits per token", "Hessian"}
    assert words <= set(GLOSSARY)


class Bench:
    """What the section needs of a workbench."""

    machine = "here"

    def __init__(self):
        self.loaded, self.lines, self.measured = tiny_model(), Lines(), {}


def look(bench, kept, prompt="why is the sun a star", asked=FIRST):
    values = dict(zip(("layer", "linear", "row", "first", "sparsity", "rule", "text"), asked, strict=True))
    return list(learn._look(bench, kept, {"prompt": prompt, **values}))


def test_the_microscope_shows_the_prompt_and_its_answer(monkeypatch):
    bench, kept, measured = Bench(), learn.Kept(2), []
    measure = learn.measure
    monkeypatch.setattr(learn, "measure", lambda *given: measured.append(given) or measure(*given))
    *_, last = look(bench, kept)
    value = last["shown"]
    assert value["source"] == "prompt"
    assert "why is the sun" in " ".join(value["tokens"])
    assert (value["layer"], value["linear"], value["row"]) == (0, "q", 3)
    assert len(value["goes"]) == len(value["rows"]) == 12
    assert len(value["mass"]) == len(value["levels"]) == 10
    assert "Measured on this machine" in last["status"]
    *_, other = look(bench, kept, asked=(2, "down", 5, 4, 0.25, "reference", "prompt"))
    assert other["shown"]["columns"][0] == 4
    assert len(measured) == 1  # another spot needs no new measuring
    look(bench, kept, asked=(*FIRST[:5], "paper", "prompt"))
    look(bench, kept, prompt="the sea is cold")
    assert len(measured) == 3
    look(bench, kept)  # two texts are kept, and this one had to leave
    assert len(measured) == 4


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ((3, *FIRST[1:]), "layer must lie between 1 and 2"),
        ((None, *FIRST[1:]), "layer must be a whole number"),
        ((1, "lm_head", *FIRST[2:]), "projection must be one of"),
        ((1, "q", 99, *FIRST[3:]), "row must lie between"),
        ((1, "q", 3, 99, *FIRST[4:]), "input must lie between"),
        ((1, "q", 3, -1, 2, *FIRST[5:]), "sparsity must lie between"),
        ((1, "q", 3, -1, 0.5, "no rule", "prompt"), "sink_rule must be one of"),
        ((1, "q", 3, -1, 0.5, "reference", "a file"), "text must be"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_a_sentence(asked, words):
    with pytest.raises(ValueError, match=words):
        look(Bench(), learn.Kept(2), asked=asked)


def test_an_empty_or_long_prompt_is_refused_before_any_work():
    for prompt in ("", "sun " * 2000):
        with pytest.raises(ValueError, match="prompt"):
            look(Bench(), learn.Kept(2), prompt=prompt)


def test_the_recorded_view_has_the_form_of_a_live_one():
    *_, last = look(Bench(), learn.Kept(1))
    assert set(load_microscope()) == set(last["shown"])
