"""The tools of a run that died are ended; those of one that lives, and of anybody else, are left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from slipway.runs import account_lock, orphans
from slipway.runs.ledger import CONTINUED, Run

NOBODY = 4194303
"""No process has this number: it is above the kernel's default limit."""


@pytest.fixture
def children() -> Iterator[list[subprocess.Popen[bytes]]]:
    made: list[subprocess.Popen[bytes]] = []
    yield made
    for child in made:
        child.kill()
        child.wait()


def run_of(folder: Path, pid: int) -> Run:
    return Run.begin(folder, {"command": "deploy", "pid": pid, "place": account_lock.place()})


def started(run: Run, *, stubborn: bool = False) -> subprocess.Popen[bytes]:
    ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN); " if stubborn else ""
    code = f"import signal, sys, time; {ignore}print('ready', flush=True); time.sleep(60)"
    child = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, CONTINUED: str(run.path)}, stdout=subprocess.PIPE
    )
    assert child.stdout is not None and child.stdout.readline() == b"ready\n"
    child.stdout.close()
    return child


def reaped(child: subprocess.Popen[bytes]) -> int:
    return child.wait(10)


def test_tools_of_the_dead_end_and_those_of_the_living_stay(
    tmp_path: Path, children: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "_HARD", 0.3)
    dead, alive = run_of(tmp_path, NOBODY), run_of(tmp_path, os.getpid())
    children += [started(dead), started(dead, stubborn=True), started(alive)]
    orphans.end_processes(tmp_path, lambda said: None)
    assert [reaped(child) for child in children[:2]] == [-signal.SIGTERM, -signal.SIGKILL]
    assert children[2].poll() is None


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "interrupted"])
def test_programs_of_a_finished_run_go_on(
    tmp_path: Path, children: list[subprocess.Popen[bytes]], outcome: str
) -> None:
    run = run_of(tmp_path, NOBODY)
    children.append(started(run))
    run.write("ends", outcome=outcome, error="", live=None)
    orphans.end_processes(tmp_path, lambda said: None)
    if outcome == "interrupted":
        assert reaped(children[0]) == -signal.SIGTERM
    else:
        assert children[0].poll() is None


def test_nothing_of_a_run_whose_file_is_gone_is_ended(tmp_path: Path, children: list[subprocess.Popen[bytes]]) -> None:
    run = run_of(tmp_path, NOBODY)
    children.append(started(run))
    run.path.unlink()
    orphans.end_processes(tmp_path, lambda said: None)
    assert children[0].poll() is None
