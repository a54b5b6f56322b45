"""The ledger: written as a run goes, kept under a ref of git, shared by several clones, and never changed."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from slipway.errors import PipelineError
from slipway.names import Names
from slipway.progress import Progress
from slipway.runs import record
from slipway.runs.ledger import Ledger, Run


def git(folder: Path, *args: str) -> str:
    return subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def clones(tmp_path: Path) -> tuple[Path, Path]:
    """Two clones of a bare repository that has one commit."""
    git(tmp_path, "init", "--quiet", "--bare", "hub.git")
    for name in ("one", "two"):
        git(tmp_path, "clone", "--quiet", "hub.git", name)
    one, two = tmp_path / "one", tmp_path / "two"
    git(one, "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--quiet", "--allow-empty", "-m", "First")
    git(one, "push", "--quiet", "origin", "HEAD")
    return one, two


def ledger(clone: Path, remote: str = "origin") -> Ledger:
    return Ledger(clone / ".slipway" / "local" / "runs", clone, Names("shop", "local"), remote)


def a_run(ledger: Ledger, command: str = "deploy v1", outcome: str = "succeeded") -> Run:
    run = Run.begin(ledger.folder, {"command": command, "environment": "local", "who": "ann", "host": "desk"})
    run.began("move the floating IP")
    run.ended("move the floating IP", 1.5, ok=True)
    run.write("ends", outcome=outcome)
    return run


def test_a_run_is_on_the_disk_line_by_line_for_its_owner_alone(tmp_path: Path) -> None:
    run = Run.begin(tmp_path / "runs", {"command": "deploy v1"})
    assert run.path.stat().st_mode & 0o777 == 0o600
    run.began("verify")
    lines = [json.loads(line) for line in run.path.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["begins", "step begins"]
    assert record.parse(run.path.read_text()).outcome == "running"


def test_what_looks_like_a_secret_is_not_written(tmp_path: Path) -> None:
    run = Run.begin(tmp_path, {"command": "deploy"})
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----"
    run.warned(f"postgres://app_1:hunter22@10.0.0.1/app {key}")
    text = run.path.read_text()
    assert "hunter22" not in text and "abc" not in text
    assert record.parse(text).notes[0].text == "postgres://app_1:[hidden]@10.0.0.1/app [hidden]"


def test_a_disk_that_refuses_does_not_stop_the_run(tmp_path: Path) -> None:
    run = Run.begin(tmp_path / "runs", {})
    run.path.unlink()
    run.began("verify")
    assert run.broken == "No such file or directory"


def test_progress_is_told_to_the_ledger_also_when_a_step_fails(tmp_path: Path) -> None:
    run, progress = Run.begin(tmp_path, {}), Progress()
    progress.listeners.append(run)
    with pytest.raises(ValueError), progress.step("migrate"):
        progress.warn("it is slow")
        raise ValueError
    run.write("ends", outcome="failed", error="It was too slow.")
    found = record.parse(run.path.read_text())
    assert [(step.title, step.outcome) for step in found.steps] == [("migrate", "failed")]
    assert [(note.kind, note.text) for note in found.notes] == [("warning", "it is slow")]
    assert (found.outcome, found.error) == ("failed", "It was too slow.")


def test_steps_of_another_process_lie_within_the_step_that_started_it() -> None:
    lines = [
        {"event": "begins", "at": "2026-11-21T10:00:00.000Z", "run": "r"},
        {"event": "step begins", "at": "2026-11-21T10:00:01.000Z", "pid": 1, "step": "verify v1"},
        {"event": "step begins", "at": "2026-11-21T10:00:02.000Z", "pid": 2, "step": "verify at 198.18.0.2"},
        {"event": "step ends", "at": "2026-11-21T10:00:04.500Z", "pid": 2, "step": "verify at 198.18.0.2"},
        {"event": "step ends", "at": "2026-11-21T10:00:05.000Z", "pid": 1, "step": "verify v1"},
        {"event": "step begins", "at": "2026-11-21T10:00:06.000Z", "pid": 1, "step": "move"},
    ]
    found = record.parse("\n".join(json.dumps(line) for line in lines) + '\n{"event": "step en')
    assert [(s.title, s.start, s.seconds, s.depth) for s in found.steps] == [
        ("verify v1", 1, 4, 0),
        ("verify at 198.18.0.2", 2, 2.5, 1),
        ("move", 6, 0, 0),
    ]
    assert found.steps[2].outcome == ""


def test_a_run_that_was_killed_is_said_to_have_died(clones: tuple[Path, Path]) -> None:
    book = ledger(clones[0], remote="")
    killed = Run.begin(book.folder, {"command": "deploy v1"})
    with killed.path.open("a") as file:
        file.write('{"event": "step be')
    assert [run.id for run in book.close_dead()] == [killed.id]
    assert record.parse(book.text(killed.id)).outcome == "died"
    assert book.close_dead() == []
    book.keep("ann@desk")
    assert book.close_dead() == []


def test_keeping_a_run_touches_nothing_but_its_ref(clones: tuple[Path, Path]) -> None:
    one = clones[0]
    (one / "staged").write_text("staged")
    git(one, "add", "staged")
    before = git(one, "rev-parse", "HEAD"), git(one, "status", "--porcelain", "--", "staged")
    book = ledger(one, remote="")
    run = a_run(book)
    book.keep("ann@desk")
    book.keep("ann@desk")
    assert (git(one, "rev-parse", "HEAD"), git(one, "status", "--porcelain", "--", "staged")) == before
    assert git(one, "log", "--format=%an %s", "refs/slipway/shop/local/ledger") == f"ann@desk Run {run.id}"
    assert git(one, "ls-tree", "--name-only", "refs/slipway/shop/local/ledger") == run.path.name


def test_a_run_that_goes_on_is_not_kept_yet(clones: tuple[Path, Path]) -> None:
    book = ledger(clones[0], remote="")
    Run.begin(book.folder, {})
    book.keep("ann@desk")
    assert git(clones[0], "for-each-ref", "refs/slipway/") == ""


def test_what_was_kept_is_never_changed(clones: tuple[Path, Path]) -> None:
    book = ledger(clones[0], remote="")
    run = a_run(book)
    book.keep("ann@desk")
    before = git(clones[0], "rev-parse", "refs/slipway/shop/local/ledger")
    run.write("ends", outcome="failed")
    book.keep("ann@desk")
    assert git(clones[0], "rev-parse", "refs/slipway/shop/local/ledger") == before
    run.path.unlink()
    assert record.parse(book.text(run.id)).outcome == "succeeded"


def test_two_clones_share_one_ledger(clones: tuple[Path, Path]) -> None:
    one, two = ledger(clones[0]), ledger(clones[1])
    first = a_run(one, "deploy v1")
    one.keep("ann@desk")
    second = a_run(two, "rollback")
    two.keep("bob@shop")
    one.fetch()
    assert set(one.runs()) == set(two.runs()) == {first.id, second.id}
    assert record.parse(one.text(second.id)).command == "rollback"
    hub = clones[0].parent / "hub.git"
    assert git(hub, "ls-tree", "--name-only", "refs/slipway/shop/local/ledger").split() == [
        f"{r}.jsonl" for r in one.runs()
    ]


def test_runs_that_end_at_once_are_all_shared(clones: tuple[Path, Path]) -> None:
    books = [ledger(clone) for clone in clones]

    def work(book: Ledger) -> list[str]:
        ids = []
        for _ in range(3):
            ids.append(a_run(book).id)
            book.keep("ann@desk")
        return ids

    with ThreadPoolExecutor() as pool:
        written = {run for ids in pool.map(work, books) for run in ids}
    hub = clones[0].parent / "hub.git"
    names = git(hub, "ls-tree", "--name-only", "refs/slipway/shop/local/ledger").split()
    assert {name.removesuffix(".jsonl") for name in names} == written and len(written) == 6


def test_what_cannot_be_shared_now_is_shared_later(clones: tuple[Path, Path]) -> None:
    one, hub = clones[0], clones[0].parent / "hub.git"
    book, away = ledger(one), hub.with_name("away.git")
    hub.rename(away)
    run = a_run(book)
    with pytest.raises(PipelineError, match="git fetch"):
        book.keep("ann@desk")
    away.rename(hub)
    book.keep("ann@desk")
    assert git(hub, "ls-tree", "--name-only", "refs/slipway/shop/local/ledger") == run.path.name


def test_an_unknown_run_is_a_sentence(clones: tuple[Path, Path]) -> None:
    with pytest.raises(PipelineError, match="There is no run ../../x"):
        ledger(clones[0]).text("../../x")
