"""A pipeline that is told to stop leaves no program running; one that ended well leaves what it was asked to leave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import is_running, until

ROOT = Path(__file__).parents[5]
# A compiler's driver: each level starts the next one, and all write down their numbers. The last one hears no SIGINT.
TREE = """
import os, signal, subprocess, sys, time
level = int(sys.argv[1])
if level == 0:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
else:
    subprocess.Popen([sys.executable, __file__, str(level - 1)])
open(f"pid.{os.environ.get('NAME', 'x')}.{level}", "w").write(str(os.getpid()))
time.sleep(300)
"""
# A test runner that has a cloud to end.
TIDY = """
import time
try:
    open("begun", "w")
    time.sleep(300)
except KeyboardInterrupt:
    time.sleep(2)
    open("tidied", "w")
"""
PIPELINE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from slipway.tools.programs import children
from slipway.tools.programs.environment import GIT, compose
from slipway.tools.programs.process import attach, call, show, stream

children.PATIENCE_S = children.STATE_PATIENCE_S = 1.0
tree, here = [sys.executable, "tree.py", "2"], Path(".")
ways = {
    "call": lambda: call(tree, cwd=here, patience=1),
    "stream": lambda: stream(tree, cwd=here, env={}, on_line=print),
    "show": lambda: show(tree, cwd=here),
    "tidy": lambda: show([sys.executable, "tidy.py"], cwd=here, patience=30),
    "attach": lambda: attach(["git", "tree"], cwd=here, env=compose(GIT)),
    "threads": lambda: list(ThreadPoolExecutor(2).map(lambda name: call(tree, cwd=here, env={"NAME": name}), "ab")),
}
try:
    with children.ended_by_signals():
        ways[sys.argv[1]]()
except KeyboardInterrupt:
    print("interrupted", call(["echo", "cleaning up"], cwd=here).stdout)
    sys.exit(130)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "tree.py").write_text(TREE)
    (tmp_path / "tidy.py").write_text(TIDY)
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    git = f"!{sys.executable} {tmp_path}/tree.py 2"
    (tmp_path / "config").write_text(f'[alias]\n\ttree = "{git}"\n')
    yield tmp_path
    for pid in numbers(tmp_path):
        if is_running(pid):
            os.kill(pid, signal.SIGKILL)


def numbers(folder: Path) -> list[int]:
    return [int(path.read_text() or 0) for path in folder.glob("pid.*")]


def a_pipeline(folder: Path, way: str) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "GIT_CONFIG_GLOBAL": str(folder / "config")}
    # Who starts the tests in the background, or with nohup, has them and all below them ignore SIGINT or SIGHUP.
    argv = ["env", "--default-signal", sys.executable, "-P", "pipeline.py", way]
    return subprocess.Popen(argv, cwd=folder, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True)


@pytest.mark.parametrize(
    ("way", "number"),
    [
        *((way, signal.SIGTERM) for way in ("call", "stream", "show", "attach", "threads")),
        ("call", signal.SIGHUP),
        ("stream", signal.SIGINT),
    ],
)
def test_a_signal_ends_the_whole_tree_and_the_pipeline_can_still_clean_up(
    folder: Path, way: str, number: signal.Signals
) -> None:
    pipeline = a_pipeline(folder, way)
    trees = 2 if way == "threads" else 1
    until(lambda: len(numbers(folder)) == 3 * trees and all(numbers(folder)))
    pids = numbers(folder)
    assert all(map(is_running, pids))
    pipeline.send_signal(number)
    said, _ = pipeline.communicate(timeout=60)
    assert pipeline.returncode == 130 and "interrupted cleaning up" in said
    assert [pid for pid in pids if is_running(pid)] == []


def test_a_second_signal_does_not_cut_the_first_one_short(folder: Path) -> None:
    pipeline = a_pipeline(folder, "stream")
    until(lambda: len(numbers(folder)) == 3 and all(numbers(folder)))
    pids = numbers(folder)
    pipeline.send_signal(signal.SIGINT)
    until(lambda: not all(map(is_running, pids)))
    pipeline.send_signal(signal.SIGTERM)
    said, _ = pipeline.communicate(timeout=60)
    assert "interrupted cleaning up" in said and not any(map(is_running, numbers(folder)))


def test_who_needs_longer_to_end_gets_it(folder: Path) -> None:
    pipeline = a_pipeline(folder, "tidy")
    until(lambda: (folder / "begun").exists())
    pipeline.send_signal(signal.SIGTERM)
    said, _ = pipeline.communicate(timeout=60)
    assert "interrupted cleaning up" in said and (folder / "tidied").exists()


def test_a_daemon_of_a_program_that_ended_well_goes_on(tmp_path: Path) -> None:
    code = "import subprocess; print(subprocess.Popen(['sleep', '300']).pid)"
    script = f"import sys; from pathlib import Path; from slipway.tools.programs.process import call; \
print(call([sys.executable, '-c', {code!r}], cwd=Path('.')).stdout)"
    argv = [sys.executable, "-c", script]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    pid = int(done.stdout)
    assert is_running(pid)
    os.kill(pid, signal.SIGKILL)
