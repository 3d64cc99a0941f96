"""Claims, predictions and the worksheet say what the recordings say: those that ship, and made-up ones that say the opposite."""

import dataclasses
import json
import math

import numpy as np
import pytest

from sinkprune.recorded.claim_verdicts import (
    AGREES,
    MISSING,
    NOT,
    PART,
    VERDICTS,
    Recordings,
    drift,
    load_recordings,
)
from sinkprune.recorded.claims import FILE, all_claims
from sinkprune.recorded.head_changes import correlation, record_head_changes
from sinkprune.recorded.microscope import load_microscope
from sinkprune.recorded.predictions import predictions
from sinkprune.recorded.presets import load_presets
from sinkprune.recorded.prompt_set import PromptSet
from sinkprune.recorded.pruning_table import load_table
from sinkprune.recorded.worksheet import worksheet
from sinkprune.traces.format import decode_lane
from sinkprune.traces.sink_statistics import LaneStatistics

NOTHING = Recordings(None, None, None, None)


def lane(kind, prompt, moves, temporal, spatial, centroids):
    return LaneStatistics(
        kind, kind, prompt, "", None, np.array(centroids, float), np.zeros((len(centroids), 0), bool),
        np.zeros(0, int), moves, spatial, temporal,
    )  # fmt: skip


def sinks(dlm: dict, ar: dict) -> PromptSet:
    """Four prompts, each a little different."""
    lanes = [
        lane(
            kind, f"prompt {number}", how["moves"], how["temporal"] + number, how["spatial"] + number / 100, how["path"]
        )
        for number in range(4)
        for kind, how in (("dlm", dlm), ("ar", ar))
    ]
    return PromptSet({"name": "made-up"}, {}, lanes, "prompt 0", [])


STILL = {"moves": 0, "temporal": 0, "spatial": 3.0, "path": [1, 1, 1, 1]}
MOVING = {"moves": 3, "temporal": 200, "spatial": 1.0, "path": [2, 5, 20, 30]}


def gain(variant, sparsity, kind, low, high, baseline="wanda"):
    verdict = "win" if low > 0 else "loss" if high < 0 else "tie"
    return {
        "variant": variant, "baseline": baseline, "kind": kind, "sparsity": sparsity,
        "gain": [(low + high) / 2, low, high], "verdict": verdict,
    }  # fmt: skip


def verdict(paper, **found):
    rows = {claim.paper: claim for claim in all_claims(dataclasses.replace(NOTHING, **found))}
    return rows[paper].verdict


def test_the_file_is_what_the_recordings_give():
    claims = [dataclasses.asdict(claim) for claim in all_claims(load_recordings())]
    assert json.loads(FILE.read_text(encoding="utf-8")) == claims, "run python -m sinkprune.recorded.claims"
    papers = " ".join(claim["paper"] for claim in claims)
    assert all(name in papers for name in [*(f"Fig. {n}" for n in range(2, 9)), "Tables 1, 2, 3", "Table 4"])
    assert {claim["verdict"] for claim in claims} <= set(VERDICTS)


def test_links_of_claims_and_tasks_open_presets_that_exist():
    presets = load_presets()
    names = {preset.name for preset in presets}
    links = [claim.link for claim in all_claims(NOTHING)]
    links += [task["link"] for task in worksheet(presets, load_table(), load_microscope()) if task["link"]]
    asked = {link.split("preset=")[1].split("&")[0] for link in links if "preset=" in link}
    assert asked <= names


def test_what_was_not_recorded_is_said_to_be_missing():
    assert {claim.verdict for claim in all_claims(NOTHING)} == {MISSING}
    assert predictions(NOTHING) == {"3": None, "6": None, "7": None}
    assert worksheet([], None, None) == []


@pytest.mark.parametrize("paper", ["Fig. 2", "Fig. 4", "Fig. 5"])
def test_the_verdict_on_sinks_follows_the_recording(paper):
    assert verdict(paper, sinks=sinks(MOVING, STILL)) == AGREES
    assert verdict(paper, sinks=sinks(STILL, MOVING)) == NOT
    backwards = MOVING | {"path": [30, 20, 5, 2], "spatial": 4.0, "moves": 3}
    restless = STILL | {"moves": 1}
    assert verdict(paper, sinks=sinks(backwards, restless)) == PART


def test_the_verdict_on_pruning_follows_the_table():
    def table(*gains):
        return {"gains": list(gains)}

    wins = table(*(gain("sink-wanda", s, "official", s, s + 0.1) for s in (0.25, 0.5)),
                 *(gain("sink-sparsegpt", s, "official", s, s + 0.1) for s in (0.25, 0.5)))  # fmt: skip
    assert verdict("Tables 1, 2, 3", table=wins) == AGREES
    assert verdict("Fig. 6", table=wins) == AGREES
    ties = table(gain("sink-wanda", 0.25, "official", -1, 1), gain("sink-wanda", 0.5, "official", -1, 1))
    assert verdict("Tables 1, 2, 3", table=ties) == PART  # a wide interval is no proof of equality
    assert verdict("Tables 1, 2, 3", table=table(gain("sink-wanda", 0.5, "official", -2, -1))) == NOT
    assert verdict("Table 4", table=table(gain("sink-structured", 0.3, "official", 1, 2))) == AGREES
    assert verdict("Table 4", table=wins) == MISSING


def pair(base, alignment, moved, against=None):
    return {
        "base": base,
        "method": f"sink-{base}",
        "against": against or base,
        "flipped": 0.01,
        "alignment": alignment,
        "moved": moved,
    }


def test_the_verdict_on_heads_follows_the_masks():
    def heads(wanda, sparsegpt, moved):
        return {"sparsity": 0.5, "heads": 12, "pairs": [
            pair("wanda", wanda, [0.02, 0.01, 0.03]), pair("wanda", wanda, [0.02, 0.01, 0.03], "sink-wanda, weight 1"),
            pair("sparsegpt", sparsegpt, moved)]}  # fmt: skip

    aligned = heads([0.5, 0.2, 0.7], [0.1, -0.2, 0.3], [0.001, 0.0, 0.002])
    assert [verdict(f"Fig. {n}", heads=aligned) for n in (3, 7, 8)] == [AGREES] * 3
    against = heads([-0.5, -0.7, -0.2], [0.1, -0.2, 0.3], [0.05, 0.04, 0.06])
    assert [verdict(f"Fig. {n}", heads=against) for n in (7, 8)] == [NOT] * 2


def covering(dlm, ar, random=0.05):
    return {"model": "made-up", "prompts": 4, "rows": [
        {"lane": name, "which": which, "count": 1, "nats": [mean, mean - 0.1, mean + 0.1]}
        for name, lost in (("dlm", dlm), ("ar", ar)) for which, mean in (("leading", lost), ("random", random))
    ]}  # fmt: skip


def test_what_covering_shows_is_read_off_its_file():
    assert verdict("Section 2.2", covering=covering(0.05, 2.0)) == AGREES
    assert verdict("Section 2.2", covering=covering(2.0, 0.05)) == NOT
    assert predictions(dataclasses.replace(NOTHING, covering=covering(0.05, 2.0)))["7"]["right"] == "ar"
    assert predictions(dataclasses.replace(NOTHING, covering=covering(1.0, 1.0)))["7"]["right"] == "same"


def test_predictions_are_revealed_as_recorded_also_against_the_paper():
    def right(card, **found):
        shown = predictions(dataclasses.replace(NOTHING, **found))[card]
        assert shown["right"] in {option["name"] for option in shown["options"]}
        return shown["right"]

    assert right("3", sinks=sinks(MOVING, STILL)) == "diffusion"
    assert right("3", sinks=sinks(STILL, STILL)) == "neither"
    for low, high, expected in ((1, 2, "win"), (-1, 1, "tie"), (-2, -1, "loss")):
        assert right("6", table={"gains": [gain("sink-wanda", 0.5, "ablation", low, high)]}) == expected


def test_the_worksheet_s_answers_are_what_the_recordings_show():
    """Read off the frames again, without the functions that the worksheet is made with."""
    tasks = {task["title"]: task for task in worksheet(load_presets(), load_table(), load_microscope())}
    traces = {preset.name: preset.trace for preset in load_presets()}
    if "Several words at once" in tasks:
        counts = [len(frame["committed"]) for frame in traces["parallel"]["lanes"][0]["frames"]]
        assert tasks["Several words at once"]["answer"].startswith(
            f"{len(counts)} forward passes for {sum(counts)} positions; the busiest (step {np.argmax(counts) + 1}) writes {max(counts)}."
        )
    if "Out of order" in tasks:
        right, step = -1, None
        for number, frame in enumerate(traces["writing"]["lanes"][0]["frames"], 1):
            places = [entry[0] for entry in frame["committed"]]
            if step is None and min(places) < right:
                step = number
            right = max(right, *places)
        assert tasks["Out of order"]["answer"].startswith("Never" if step is None else f"Step {step}.")
    if "Follow the lead" in tasks:
        trace = traces["writing"]
        arrays, layer = decode_lane(trace, trace["lanes"][0]), trace["view"]["layer"]
        shares = arrays.share if layer is None else arrays.heads[:, layer].mean(1)
        has_sink = (shares > shares.mean(1, keepdims=True) + 2 * shares.std(1, keepdims=True)).any(1)
        leaders = shares.argmax(1)[has_sink]
        assert f": {np.count_nonzero(np.diff(leaders))} changes." in tasks["Follow the lead"]["answer"]
    hand = tasks.get("Prune by hand")
    if hand:
        scope = load_microscope()
        row = scope["rows"].index(scope["row"])
        assert f"in the whole row {scope['flippedRow']} decisions" in hand["answer"]
        weights = [float(word) for word in hand["text"].split("sizes ")[1].split(", have")[0].split(", ")]
        assert all(any(math.isclose(abs(w), weight, abs_tol=6e-4) for w in scope["weight"][row]) for weight in weights)
        for norms, said in zip(("norms ", "are "), ("Without the sink weight ", "with it "), strict=True):
            values = [float(word) for word in hand["text"].split(norms)[1].split(". ")[0].split(", ")]
            scores = [weight * value for weight, value in zip(weights, values, strict=True)]
            gone = sorted(int(number) for number in np.argsort(scores, kind="stable")[:2] + 1)
            assert hand["answer"].split(said)[1].startswith(f"{gone[0]} and {gone[1]} (")


def test_drift_compares_the_first_and_the_last_quarter():
    assert drift(lane("dlm", "", 0, 0, 0, [0, 2, 9, 9, 9, 9, 10, 12])) == 10
    assert math.isnan(drift(lane("dlm", "", 0, 0, 0, [math.nan, 2, 9, 9])))


def test_correlation_has_an_interval_and_none_without_variation():
    values = np.arange(20.0)
    r, low, high = correlation(values, values + np.sin(values))
    assert low < r < high < 1
    assert correlation(values, np.ones(20)) is None


def test_head_changes_are_recorded_for_every_pair(loaded):
    from sinkprune.pruning import CalibrationConfig

    found = record_head_changes(loaded, 0.5, CalibrationConfig(samples=2, length=16))
    assert [pair["against"] for pair in found["pairs"]] == ["wanda", "sink-wanda, weight 1", "sparsegpt"]
    assert all(0 <= pair["flipped"] <= 1 and pair["moved"][1] <= pair["moved"][0] for pair in found["pairs"])
