"""Programs that report as they go."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from slipway.tools.programs.process import stream

TALKING = """
import signal, sys, time
signal.signal(signal.SIGINT, lambda *_: (open("ended", "w").close(), print("x" * 200_000), sys.exit(1)))
print("one", flush=True)
time.sleep(60)
"""


def test_who_listens_can_end_a_program_which_is_heard_out(tmp_path: Path) -> None:
    def on_line(line: str) -> None:
        raise ValueError(line.strip())

    start = time.monotonic()
    with pytest.raises(ValueError, match="one"):
        stream([sys.executable, "-c", TALKING], cwd=tmp_path, env=dict(os.environ), on_line=on_line)
    assert (tmp_path / "ended").exists()
    assert time.monotonic() - start < 30


def test_each_line_is_handed_on_and_the_end_is_told(tmp_path: Path) -> None:
    lines: list[str] = []
    code = "import sys; print('a'); print('b'); print('oh', file=sys.stderr); sys.exit(3)"
    ended = stream([sys.executable, "-c", code], cwd=tmp_path, env=dict(os.environ), on_line=lines.append)
    assert (lines, ended) == (["a\n", "b\n"], (3, "oh\n"))
