"""What is ended at its deadline is ended whole."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from slipway.tools.programs.process import Overdue, call
from tests.support import is_running, until


def test_a_program_that_ends_is_told_as_it_is(tmp_path: Path) -> None:
    done = call(["sh", "-c", "echo out; echo err >&2; exit 3"], cwd=tmp_path, seconds=20)
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_at_the_deadline_all_that_it_started_is_gone(tmp_path: Path) -> None:
    script = "sleep 60 & echo $! >child; trap '' TERM INT; sleep 60"
    start = time.monotonic()
    with pytest.raises(Overdue):
        call(["sh", "-c", script], cwd=tmp_path, seconds=0.5)
    assert time.monotonic() - start < 20
    child = int((tmp_path / "child").read_text())
    until(lambda: not is_running(child), 10)
