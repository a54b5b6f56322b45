"""Suites: stage after stage, the lanes of each side by side, and each suite that failed named at the end."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from devtools import suites
from slipway.errors import PipelineError
from slipway.progress import Progress
from slipway.tools.programs.process import show
from slipway.tools.toolchain import Toolchain

PATIENCE = 10


def run(tmp_path: Path, only: str | None = None) -> None:
    """Run the suites of the test."""
    suites.run(suites.Place(tmp_path, Toolchain(tmp_path, tmp_path)), Progress(), only)


def fails(place: suites.Place, progress: Progress) -> None:
    """A suite that does."""
    raise PipelineError("It failed.")


def test_lanes_run_at_once_and_each_failure_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meeting, seen = threading.Barrier(2), list[str]()

    def meets(place: suites.Place, progress: Progress) -> None:
        meeting.wait(PATIENCE)  # breaks, and fails the test, unless the other lane is here too
        seen.append("met")

    monkeypatch.setattr(suites, "SUITES", {"a": meets, "b": fails, "c": meets, "d": fails})
    monkeypatch.setattr(suites, "STAGES", ((("a", "b"), ("c", "d")),))
    with pytest.raises(PipelineError, match="b, d"):
        run(tmp_path)
    assert seen == ["met", "met"]


def test_the_reason_of_a_failure_is_told_in_its_lane(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(suites, "SUITES", {"a": fails})
    monkeypatch.setattr(suites, "STAGES", ((("a",),),))
    with pytest.raises(PipelineError):
        run(tmp_path)
    assert "       a │   ! It failed." in capsys.readouterr().err


def test_no_machine_is_started_when_a_quick_suite_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(suites, "SUITES", {"unit": fails, "a": lambda *_: seen.append("a")})
    monkeypatch.setattr(suites, "STAGES", ((("unit",),), (("a",),)))
    with pytest.raises(PipelineError, match="unit"):
        run(tmp_path)
    assert seen == []


def test_every_suite_has_one_lane() -> None:
    assert sorted(name for lanes in suites.STAGES for lane in lanes for name in lane) == sorted(suites.SUITES)


def test_every_file_of_end_to_end_tests_is_in_a_suite() -> None:
    root = Path(__file__).parents[3]
    text = Path(suites.__file__).read_text()
    assert [path.name for path in (root / "tests/e2e").glob("test_*.py") if f'"e2e/{path.name}"' not in text] == []


def test_every_file_of_contract_tests_is_in_one_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(suites, "show", lambda argv, **_: started.extend(argv))
    monkeypatch.setattr("slipway.tools.programs.host.ensure_packages", lambda *_: None)
    monkeypatch.setattr(Toolchain, "ensure", lambda *_: None)
    root = Path(__file__).parents[3]
    for name in ("contract", "droplets"):
        suites.SUITES[name](suites.Place(root, Toolchain(tmp_path, tmp_path)), Progress())
    files = [Path(word).name for word in started if word.endswith(".py")]
    assert sorted(files) == sorted(path.name for path in (root / "tests/contract").glob("test_*.py"))


def test_a_lane_says_whose_line_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = [sys.executable, "-c", "import sys; print('out'); sys.stdout.flush(); print('err', file=sys.stderr)"]
    show(program, cwd=tmp_path, say=suites.Lane("schema").relay)
    assert sorted(capsys.readouterr().err.splitlines()) == ["  schema │ err", "  schema │ out"]


def test_a_program_that_fails_is_an_error_however_it_is_shown(tmp_path: Path) -> None:
    for say in (None, suites.Lane("schema").relay):
        with pytest.raises(PipelineError, match="exit status 3"):
            show([sys.executable, "-c", "raise SystemExit(3)"], cwd=tmp_path, say=say)
