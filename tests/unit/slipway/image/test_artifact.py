"""Binaries are built once, and the latest of them are kept."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from slipway.image import artifact
from slipway.tools.git.git import Git

COMPILER = """#!/bin/sh
while [ "$1" != -o ]; do shift; done
echo built >>"${0%/*}/compiled"
ls >"$2"
"""
"""What it makes is a list of what it was given."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository whose compiler notes in `compiled` what it does."""
    root = tmp_path / "project"
    (root / "app").mkdir(parents=True)
    (root / "app" / "main.go").write_text("package main")
    (root / ".gitignore").write_text("compiled")
    (root / "go").write_text(COMPILER)
    (root / "go").chmod(0o755)
    for words in (["init", "--quiet"], ["add", "."]):
        subprocess.run(["git", *words], cwd=root, check=True)
    return root


def test_a_binary_is_built_once_and_only_those_used_last_are_kept(project: Path, tmp_path: Path) -> None:
    cache, git = tmp_path / "cache", Git(project)

    def built(version: str) -> Path:
        return artifact.binary(git, cache, version, "c", lambda: project / "go", {})

    def compiled() -> int:
        return len((project / "compiled").read_text().splitlines())

    first = built("v1")
    for number in range(2, artifact.KEPT + 2):
        assert built("v1") == first
        built(f"v{number}")
    assert compiled() == artifact.KEPT + 1
    assert first.exists() and len(list(cache.iterdir())) == artifact.KEPT
    built("v2")
    assert compiled() == artifact.KEPT + 2


def test_a_file_that_git_ignores_is_not_compiled_in(project: Path, tmp_path: Path) -> None:
    (project / ".gitignore").write_text("compiled\n*_local.go\nvendor/\n")
    (project / "app" / "debug_local.go").write_text("package main\n\nfunc init() { panic(1) }")
    (project / "app" / "vendor").mkdir()
    (project / "app" / "vendor" / "modules.txt").write_text("")
    (project / "app" / "new.go").write_text("package main")  # makes the version a dirty one, and is compiled in
    built = artifact.binary(Git(project), tmp_path / "cache", "v1", "c", lambda: project / "go", {})
    assert built.read_text().split() == ["main.go", "new.go"]
    assert sorted(path.name for path in built.parent.iterdir()) == ["app"]
