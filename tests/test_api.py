"""The named endpoints of the running application, called as anybody's script would: through gradio_client."""

from __future__ import annotations

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from sinkprune.traces.check import check_trace
from tests.running_app import app_address

pytestmark = pytest.mark.bundled

HOSTILE = "<img src=x onerror=alert(1)>"
SHORT = {"gen_length": 32, "block_length": 32}


@pytest.fixture(scope="module")
def client() -> Client:
    return Client(app_address(), verbose=False)


def test_the_endpoints_are_named_and_typed(client):
    named = client.view_api(return_format="dict")["named_endpoints"]
    assert set(named) == {"/trace", "/generate", "/prune", "/compare", "/compare_all", "/sweep"}
    types = {p["parameter_name"]: p["python_type"]["type"] for p in named["/compare"]["parameters"]}
    assert types["prompt"] == "str"
    assert types["method"].startswith("Literal['magnitude'")
    assert types["sparsity"] == "float"
    assert types["seed"] == "int"
    assert "Prune" in named["/compare"]["description"]


def test_trace_holds_both_lanes_to_their_end(client):
    trace = client.predict(prompt="Why is the sky blue?", **SHORT, api_name="/trace")
    check_trace(trace)
    diffusion, autoregressive = trace["lanes"]
    assert (diffusion["kind"], autoregressive["kind"]) == ("dlm", "ar")
    assert diffusion["done"]
    assert autoregressive["done"]
    written = {entry[0] for frame in diffusion["frames"] for entry in frame["committed"]}
    assert written == set(range(diffusion["promptLength"], diffusion["length"]))
    assert len(diffusion["text"]) > 10


def test_generate_writes_what_trace_writes(client):
    trace = client.predict(prompt="What is a star?", **SHORT, autoregressive=False, api_name="/trace")
    result = client.predict(prompt="What is a star?", **SHORT, api_name="/generate")
    assert (result["text"], result["forwards"]) == (trace["lanes"][0]["text"], trace["lanes"][0]["nfe"])
    assert 0 < result["tokens"] <= 32
    assert result["seconds"] > 0


def test_prune_reports_what_was_asked_and_keeps_the_copy(client):
    first = client.predict(method="wanda", sparsity=0.5, samples=2, api_name="/prune")
    again = client.predict(method="wanda", sparsity=0.5, samples=2, api_name="/prune")
    assert first == again  # the same seconds too: it was not pruned twice
    assert first["sparsity"] == pytest.approx(0.5, abs=0.01)
    assert len(first["per_layer"]) == 12
    assert all(share == pytest.approx(0.5, abs=0.01) for share in first["linears"].values())


def test_compare_measures_both_lanes(client):
    result = client.predict(
        prompt="Why is the sky blue?", method="magnitude", sparsity=0.6, **SHORT, api_name="/compare"
    )
    check_trace(result["trace"])
    dense, pruned = result["trace"]["lanes"]
    card = result["card"]
    assert (dense["title"], card["dense"]["forwards"]) == ("Dense", dense["nfe"])
    assert card["pruned"]["forwards"] == pruned["nfe"]
    assert card["pruned"]["sparsity_achieved"] == pytest.approx(0.6, abs=0.01)
    assert card["nats_dense_answer"][0] < card["nats_dense_answer"][1]  # damage makes the dense answer less likely
    assert 0 <= card["agreement"] <= 1


def test_a_structured_copy_is_smaller_and_writes_too(client):
    asked = {"method": "sink-structured", "sparsity": 0.4, "samples": 2, "allocation": "global"}
    pruned = client.predict(**asked, api_name="/prune")
    assert pruned["sparsity"] == pytest.approx(0.4, abs=0.01)
    assert len({round(share, 3) for share in pruned["per_layer"]}) > 1
    result = client.predict(prompt="Why is the sky blue?", **asked, **SHORT, api_name="/compare")
    check_trace(result["trace"])
    card = result["card"]
    assert card["pruned"]["parameters"] < card["dense"]["parameters"]
    assert card["pruned"]["pruning"]["allocation"] == "global"


def test_sparsity_nought_changes_nothing(client):
    card = client.predict(prompt="Why is the sky blue?", method="wanda", sparsity=0.0, **SHORT, api_name="/compare")[
        "card"
    ]
    assert card["agreement"] == 1.0
    assert card["nats_dense_answer"][0] == card["nats_dense_answer"][1]


@pytest.mark.parametrize(
    ("endpoint", "settings", "words"),
    [
        ("/trace", {"prompt": "a " * 400}, "shorten the prompt"),
        ("/prune", {"method": "random"}, "method must be one of"),
    ],
)
def test_a_refusal_arrives_as_a_sentence(client, endpoint, settings, words):
    """All refusals: tests/ui/test_endpoints.py."""
    with pytest.raises(AppError, match=words):
        client.predict(**settings, api_name=endpoint)


def test_refusals_repeat_no_markup(client):
    with pytest.raises(AppError) as refused:
        client.predict(method=HOSTILE, api_name="/prune")
    assert "<img" not in str(refused.value)
