"""Actions are pinned to the commit of the newest tag of their major version, as git itself lists it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from devtools import update


@pytest.fixture
def listed(tmp_path: Path) -> tuple[str, dict[str, str]]:
    """What git says of an action's repository, and the commit of each version."""
    commits = {}

    def git(*words: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "tag.gpgsign=false"]
        done = subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "--quiet")
    for version, annotated in (("4.2.2", False), ("4.10.0", True), ("4.9.1", False), ("5.0.0", False)):
        git("commit", "--quiet", "--allow-empty", "--message", version)
        git("tag", *(["--annotate", "--message", version] if annotated else []), f"v{version}")
        commits[version] = git("rev-parse", "HEAD")
    git("tag", "v4")
    return git("ls-remote", "--tags", str(tmp_path)), commits


def test_the_newest_of_a_major_version_is_that_by_number_and_by_its_commit(
    listed: tuple[str, dict[str, str]],
) -> None:
    said, commits = listed
    assert update.newest(said, 4) == (commits["4.10.0"], "4.10.0")
    assert update.newest(said, 5) == (commits["5.0.0"], "5.0.0")
    assert update.newest(said, 3) is None


def test_a_workflow_changes_in_its_pins_alone(listed: tuple[str, dict[str, str]]) -> None:
    said, commits = listed
    old = "0" * 40
    text = f"      - uses: actions/checkout@{old} # zizmor: ignore[artipacked] # v4.2.2\n        with: {{}}\n"
    asked: list[str] = []
    new = update.repinned(text, lambda action: asked.append(action) or said)  # type: ignore[func-returns-value]
    assert asked == ["actions/checkout"]
    assert new == text.replace(old, commits["4.10.0"]).replace("# v4.2.2", "# v4.10.0")
    assert update.repinned(new, lambda action: said) == new
