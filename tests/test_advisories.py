"""The pins against the recorded advisories, without a network."""

import pytest
from packaging.version import Version

from tests.advisories import applying, main, pins


def test_no_recorded_advisory_applies_and_the_answer_says_what_was_covered(capsys):
    assert main([]) == 0
    said = capsys.readouterr().out
    assert "none of the listed advisories applies" in said
    assert "nor for what the pins depend on" in said


def test_an_old_pin_is_found():
    advisories = [{"package": "torch", "id": "CVE-1", "fixed": "2.6.0", "about": "x"}]
    assert applying({"torch": Version("2.5.1")}, advisories) == ["torch 2.5.1: CVE-1, x; fixed in 2.6.0"]
    assert applying({"torch": Version("2.6.0"), "gradio": Version("1")}, advisories) == []


def test_every_requirement_is_pinned():
    assert pins("torch==2.6.0\n\n# a remark\n")["torch"] == Version("2.6.0")
    with pytest.raises(ValueError, match="pins no exact version"):
        pins("torch>=2.6")
