"""The Go binary: the same inputs give the same bytes, and a build that was done before is not done again."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from slipway.tools.git.git import Git
from slipway.tools.programs.process import run

KEPT = 5
"""Binaries that stay, those used last. Each has some 25 MB, and takes a second to make again."""


def digest_files(files: Iterable[Path], root: Path) -> str:
    """SHA-256 over the names (relative to `root`), the executable bits and the contents of files, in their order."""
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        executable = file.stat().st_mode & 0o100
        digest.update(f"{file.relative_to(root)}\0{executable}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def export(git: Git, folder: str, target: Path) -> Path:
    """Copy the files of a folder that belong to the project, tracked or new but not ignored; returns the copy."""
    for file in git.files(folder):
        copy = target / file.relative_to(git.root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copy, follow_symlinks=False)
    return target / folder


def binary(git: Git, cache: Path, version: str, commit: str, go: Callable[[], Path], env: Mapping[str, str]) -> Path:
    """Build the app with version and commit stamped in by the linker; `go` gives the
    compiler when it is needed, and `env` its environment.

    It is built from a copy of what belongs to the project: a file that git ignores is not compiled in.
    Raises PipelineError with the compiler's words when it does not build.
    """
    source = digest_files(git.files("app"), git.root)
    key = hashlib.sha256("\0".join((source, version, commit)).encode()).hexdigest()[:16]
    built = cache / key / "app"
    if not built.exists():
        built.parent.mkdir(parents=True, exist_ok=True)
        temporary = built.with_suffix(".new")
        flags = f"-s -w -buildid= -X main.version={version} -X main.commit={commit}"
        options = ("-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", str(temporary), ".")
        with tempfile.TemporaryDirectory(prefix="source-", dir=built.parent) as folder:
            copy = export(git, "app", Path(folder))
            run([str(go()), "build", *options], cwd=copy, env={**env, "GOOS": "linux", "GOARCH": "amd64"})
        temporary.replace(built)
        _forget_older(cache)
    built.touch()
    return built


def _forget_older(cache: Path) -> None:
    with suppress(FileNotFoundError):  # another build forgets at the same time
        latest = sorted(cache.glob("*/app"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        for old in latest[KEPT:]:
            shutil.rmtree(old.parent)
