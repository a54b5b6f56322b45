"""The tools of a run that died are ended; those of one that lives, and of anybody else, are left alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline import leftovers, remote_lock
from pipeline.ledger import CONTINUED, Run
from pipeline.progress import Progress
from pipeline.reference import Reference, Release
from pipeline.tools.terraform import Root

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
    return Run.begin(folder, {"command": "deploy", "pid": pid, "place": remote_lock.place()})


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
    monkeypatch.setattr(leftovers, "_HARD", 0.3)
    dead, alive = run_of(tmp_path, NOBODY), run_of(tmp_path, os.getpid())
    children += [started(dead), started(dead, stubborn=True), started(alive)]
    leftovers.end_processes(tmp_path, lambda said: None)
    assert [reaped(child) for child in children[:2]] == [-signal.SIGTERM, -signal.SIGKILL]
    assert children[2].poll() is None


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "interrupted"])
def test_programs_of_a_finished_run_go_on(
    tmp_path: Path, children: list[subprocess.Popen[bytes]], outcome: str
) -> None:
    run = run_of(tmp_path, NOBODY)
    children.append(started(run))
    run.write("ends", outcome=outcome, error="", live=None)
    leftovers.end_processes(tmp_path, lambda said: None)
    if outcome == "interrupted":
        assert reaped(children[0]) == -signal.SIGTERM
    else:
        assert children[0].poll() is None


def test_nothing_of_a_run_whose_file_is_gone_is_ended(tmp_path: Path, children: list[subprocess.Popen[bytes]]) -> None:
    run = run_of(tmp_path, NOBODY)
    children.append(started(run))
    run.path.unlink()
    leftovers.end_processes(tmp_path, lambda said: None)
    assert children[0].poll() is None


@dataclass
class World:
    """A cloud's answers, and what was removed from it."""

    removed: list[str]
    target: int = 3

    def droplets(self, tag: str) -> list[Any]:
        return [SimpleNamespace(id=number, name=f"app-{number}") for number in (1, 2, 3, 4)]

    def floating_ip_targets(self) -> set[int]:
        return {self.target}

    def cluster(self, name: str, tag: str) -> Any:
        return SimpleNamespace(id="c")

    def database_users(self, cluster: str) -> list[str]:
        return ["doadmin", "app_1", "app_2", "v-token-app-x", "app_3"]

    def remove(self, path: str) -> bool:
        self.removed.append(path)
        return True


def test_only_what_no_state_knows_and_no_address_points_at_is_removed(tmp_path: Path) -> None:
    world = World([])
    resources = [("digitalocean_droplet", {"id": "2"}), ("digitalocean_database_user", {"name": "app_2"})]
    session: Any = SimpleNamespace(
        api=world,
        roots=(Root(tmp_path, tmp_path, tmp_path / "backend.tf"),),
        progress=Progress(),
        settings=SimpleNamespace(tag="t", cluster="c", project=SimpleNamespace(database=object())),
        terraform=SimpleNamespace(resources=lambda: resources),
    )
    live = {"version": "v1", "commit": "", "image": "i", "size": "s", "template": "t", "database_user": "app_1"}
    release = Release.parse({**live, "config": {}})
    reference = Reference({release.key: release}, release.key)
    outputs = {"droplets": {"x": {"id": 1}}, "reference": json.loads(reference.dump())}
    leftovers.remove_strays(session, outputs)
    assert world.removed == [], "without a state here nothing is known to be a stray"
    session.roots[0].state.write_text('{"serial": 1}')
    assert leftovers.remove_strays(session, outputs), "one has the traffic, and can go later"
    assert world.removed == ["droplets/4", "databases/c/users/app_3"]
    world.target = 1
    assert not leftovers.remove_strays(session, outputs)
    assert "droplets/3" in world.removed
