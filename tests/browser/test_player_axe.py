"""axe-core finds no serious violation: the player in every state that looks different, and the whole page."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from player_driver import open_page, press, settle, show
from player_pages import served_player
from player_traces import make_map, make_trace

from tests.running_app import app_address

pytestmark = pytest.mark.browser

AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
SMALL = {"length": 78, "steps": 16, "layers": 4, "heads": 3, "block": 32}
SERIOUS = ("serious", "critical")
SIGHTS = [("dark", 1280), ("light", 390)]  # colours do not depend on the width: each scheme and each width once


def violations(page, root: str) -> dict[str, list[str]]:
    """{rule: elements} of what axe calls serious or critical below `root`."""
    page.evaluate(f"window.axe || (() => {{ {AXE} }})()")
    found = page.evaluate("(root) => axe.run(root, { resultTypes: ['violations'] })", root)
    assert len(found["passes"]) > 5
    return _serious(found)


def violations_in_both_schemes(page, root: str) -> dict[str, list[str]]:
    """The same, and the colours of the page's other scheme."""
    found = violations(page, root)
    page.evaluate("document.body.classList.toggle('dark')")
    other = page.evaluate("(root) => axe.run(root, {runOnly: ['color-contrast']})", root)
    page.evaluate("document.body.classList.toggle('dark')")
    return found | {f"{rule}, other scheme": nodes for rule, nodes in _serious(other).items()}


def _serious(found: dict) -> dict[str, list[str]]:
    failed = [rule for rule in found["violations"] if rule["impact"] in SERIOUS]
    return {rule["id"]: [node["html"][:120] for node in rule["nodes"]] for rule in failed}


@pytest.fixture(scope="module")
def address():
    buttons = {
        "compare": lambda: make_trace(**SMALL, kinds=("dlm", "dlm"), seed=5),
        "cached": lambda: {**make_trace(**SMALL, kinds=("dlm",), cache=True), "run": "cached"},
        "nothing": lambda: None,
    }
    with served_player(make_map, {**make_trace(**SMALL), "query": "?preset=fox"}, buttons) as url:
        yield url


@pytest.mark.parametrize(("scheme", "width"), SIGHTS)
def test_the_player_has_no_serious_violation(browser, address, scheme, width):
    page = open_page(browser, f"{address}?__theme={scheme}", viewport={"width": width, "height": 900})
    found = {}

    def look(state: str) -> None:
        settle(page)
        found[state] = violations_in_both_schemes(page, ".sp-player")

    page.get_by_text("Share and save").click()
    page.locator(".sp-player").focus()
    press(page, "ArrowRight", "ArrowRight", "ArrowDown", "2")
    look("two lanes, a token in focus, the menu open")
    show(page, "compare")
    page.get_by_role("button", name="Token to token").click()
    look("a comparison with maps")
    show(page, "cached")
    look("one lane with a cache")
    page.get_by_role("button", name="nothing", exact=True).click()
    page.wait_for_selector(".sp-message:visible")
    look("nothing to show")
    assert not any(found.values()), json.dumps(found, indent=1)
    page.close()


@pytest.mark.bundled
@pytest.mark.parametrize(("scheme", "width"), SIGHTS)
def test_the_page_has_no_serious_violation(browser, scheme, width):
    page = open_page(browser, f"{app_address()}?__theme={scheme}", viewport={"width": width, "height": 900})
    found = {"watch": violations(page, "body")}
    for tab in page.get_by_role("tab").all()[1:]:
        if tab.inner_text() == "Learn":  # test_learn_page looks at this tab, filled
            continue
        tab.click()
        settle(page)
        found[tab.inner_text()] = violations(page, "body")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert not any(found.values()), json.dumps(found, indent=1)
    page.close()
