"""The Learn tab in headless Chromium: the microscope, the quiz, the claims, the worksheets on paper, and axe on all of it."""

from __future__ import annotations

import json
import re

import pytest
from test_guide_page import open_page
from test_player_axe import violations

pytestmark = [pytest.mark.browser, pytest.mark.bundled]


@pytest.fixture(scope="module")
def lesson(browser):
    """The Learn tab, for the tests that only read it."""
    page = open_page(browser, "?tab=learn")
    yield page
    page.close()
    assert page.problems == []


def test_the_microscope_traces_every_number_and_looks_at_the_visitor_s_prompt(lesson):
    page = lesson
    scope = page.locator("#microscope .ms[data-shown]")
    scope.wait_for()
    assert "Recorded" in page.locator("#scope-status").inner_text()  # before the model is needed
    trace = page.locator(".ms-trace")
    cell = page.locator(".ms-goes .ms-cell[data-row='2'][data-column='7']")
    cell.hover()
    assert page.locator(".ms-norms .ms-cell.ms-lit").get_attribute("data-column") == "7"
    assert page.locator(".ms-cell.ms-here").count() == 3  # the same weight in three grids
    size, norm, score, verdict = re.search(
        r"input \d+: (\S+) × (\S+) = (\S+) \(cut at .*?\): (\w+)", trace.inner_text()
    ).groups()
    assert float(size) * float(norm) == pytest.approx(float(score), rel=2e-3)
    assert (verdict == "goes") == ("ms-gone" in cell.get_attribute("class"))
    page.locator(".ms-token").first.hover()
    assert trace.inner_text().startswith("Token 0")
    slider = page.get_by_label("Hidden tokens")
    slider.fill("9")
    assert page.locator(".ms-masked").count() == page.locator(".ms-token").count()
    before = scope.get_attribute("data-shown")
    page.get_by_role("button", name="Look at my prompt").click()
    page.locator("#scope-status").get_by_text("Measured on this machine").wait_for()
    assert scope.get_attribute("data-shown") != before


def test_the_quiz_gives_a_reason_and_asks_nobody(lesson):
    page = lesson
    page.locator("#lesson-quiz li").first.wait_for()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    for number, question in enumerate(page.locator("#lesson-quiz li").all()):
        for choice in question.locator("input").all():
            choice.check()
            assert len(question.locator(".ls-why").inner_text()) > 30, number
    assert re.search(r"All answered: \d of 5", page.locator(".ls-score").inner_text())
    assert asked == []


def test_the_claims_and_words_are_there(lesson):
    page = lesson
    rows = page.locator("#lesson-claims tbody tr")
    rows.first.wait_for()
    assert rows.count() >= 9
    assert page.locator("#lesson-glossary dt").count() > 40


@pytest.mark.parametrize("kind", ["students", "teacher"])
def test_the_worksheet_fits_two_pages(lesson, kind):
    page = lesson
    page.evaluate("window.print = () => {}")
    page.get_by_role("button", name=f"Print the {kind}").click()
    assert page.locator(".ls-print .ls-solution").count() == (
        0 if kind == "students" else page.locator(".ls-print li").count()
    )
    paper = page.pdf(prefer_css_page_size=True)
    assert 1 <= len(re.findall(rb"/Type\s*/Page[^s]", paper)) <= 2
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator(".ls-print").count() == 0


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_learn_tab_has_no_serious_violation(browser, width, scheme):
    page = open_page(browser, f"?tab=learn&__theme={scheme}", viewport={"width": width, "height": 900})
    page.locator("#microscope .ms[data-shown]").wait_for()
    page.locator("#lesson-claims tbody tr").first.wait_for()
    page.get_by_text("Look at the tasks here").click()
    found = violations(page, "body")
    assert found == {}, json.dumps(found, indent=1)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
    assert page.problems == []
