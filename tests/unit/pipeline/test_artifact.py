"""Binaries are built once, and the latest of them are kept."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pipeline import artifact
from pipeline.tools.git import Git

COMPILER = """#!/bin/sh
while [ "$1" != -o ]; do shift; done
echo built >>compiled
echo binary >"$2"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository whose compiler notes in `app/compiled` what it does."""
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
        return len((project / "app" / "compiled").read_text().splitlines())

    first = built("v1")
    for number in range(2, artifact.KEPT + 2):
        assert built("v1") == first
        built(f"v{number}")
    assert compiled() == artifact.KEPT + 1
    assert first.exists() and len(list(cache.iterdir())) == artifact.KEPT
    built("v2")
    assert compiled() == artifact.KEPT + 2
