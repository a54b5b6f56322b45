"""The program that a project of one's own is released with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from slipway import text


def slipway(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-Es", "-m", "slipway", *words]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60)


def test_it_has_the_verbs_and_a_version(tmp_path: Path) -> None:
    listed = slipway(tmp_path, "--list").stdout
    assert {"build", "deploy", "rollback", "cloud.up"} <= set(listed.split())
    assert "devtools" not in listed and "check" not in listed.split()
    assert slipway(tmp_path, "--version").stdout.startswith("slipway ")


def test_where_there_is_no_project_the_sentence_says_so(tmp_path: Path) -> None:
    said = slipway(tmp_path, "status")
    assert (said.returncode, "Traceback" in said.stderr) == (1, False)
    assert "slipway.toml cannot be read" in said.stderr


def test_a_project_is_begun_where_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module shop\n")
    (tmp_path / "main.go").write_text("package main\n\nfunc main() {}\n")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    said = slipway(tmp_path, "init", "--yes")
    assert said.returncode == 0, said.stderr
    assert "slipway build deploy --version v1" in said.stdout
    assert (tmp_path / "slipway.toml").exists()
    again = slipway(tmp_path, "init", "--yes").stdout
    assert "Written" not in again and "git add" not in again


def test_people_are_told_the_name_that_it_was_called_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "_CALLED", ["./invoke"])
    assert text.visible("./invoke deploy") == "./invoke deploy"
    text.call_it("slipway")
    assert text.visible("first ./invoke deploy,\nthen ./invoke status") == "first slipway deploy,\nthen slipway status"
