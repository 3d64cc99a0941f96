"""Are the pinned packages known to be unsafe?

    python -m tests.advisories             (offline)
    pip install pip-audit && python -m tests.advisories --online

Offline, the pins of requirements.txt are compared with a list of advisories that was written by hand on the day that the list names
(tests/fixtures/advisories.json). The list covers those packages only, not what they depend on, and no advisory that came later. Online,
pip-audit asks PyPI's advisory database about the pins and all that they depend on. Exit code 1: an advisory applies. 2: nobody answered.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
REQUIREMENTS = ROOT / "requirements.txt"
LIST = ROOT / "tests" / "fixtures" / "advisories.json"


def pins(text: str) -> dict[str, Version]:
    """Package -> version of a requirements file. Raises ValueError for a line that pins no exact version."""
    found = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        requirement = Requirement(line)
        exact = [one.version for one in requirement.specifier if one.operator == "=="]
        if len(exact) != 1:
            raise ValueError(f"{line!r} pins no exact version")
        found[requirement.name] = Version(exact[0])
    return found


def applying(pinned: dict[str, Version], advisories: list[dict]) -> list[str]:
    """A sentence for each advisory whose fix is later than the pin."""
    return [
        f"{one['package']} {pinned[one['package']]}: {one['id']}, {one['about']}; fixed in {one['fixed']}"
        for one in advisories
        if one["package"] in pinned and pinned[one["package"]] < Version(one["fixed"])
    ]


def main(arguments: list[str] | None = None) -> int:
    """Print what was looked at, and what applies."""
    parser = argparse.ArgumentParser(prog="python -m tests.advisories", description=main.__doc__)
    parser.add_argument("--online", action="store_true", help="ask PyPI through pip-audit")
    if parser.parse_args(arguments).online:
        try:
            asked = [sys.executable, "-m", "pip_audit", "--requirement", str(REQUIREMENTS)]
            done = subprocess.run(asked, check=False, timeout=600).returncode
        except subprocess.TimeoutExpired:
            done = 2
        return done if done in (0, 1) else 2
    pinned, known = pins(REQUIREMENTS.read_text(encoding="utf-8")), json.loads(LIST.read_text(encoding="utf-8"))
    found = applying(pinned, known["advisories"])
    listed = {one["package"] for one in known["advisories"]}
    print("\n".join(found or ["none of the listed advisories applies"]))
    print(
        f"looked at {len(known['advisories'])} advisories of {len(listed & pinned.keys())} packages, listed on {known['recorded']}; "
        f"none are listed for {', '.join(sorted(pinned.keys() - listed))}, nor for what the pins depend on"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
