"""What is released: the same inputs give the same bytes, and what was made is not made again."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from slipway.errors import PipelineError
from slipway.tools import files
from slipway.tools.git.git import Git

KEPT = 5
"""Artifacts that stay, those used last. A binary has some 25 MB, and takes a second to make again."""
NAME = "app"
"""What an artifact is called in its place in the cache: a program, or the folder that becomes /opt/app."""


@dataclass(frozen=True)
class Kitchen:
    """What an artifact is made with. ``go`` gives the compiler when it is needed, and ``env`` is its environment."""

    git: Git
    cache: Path
    go: Callable[[], Path]
    env: Mapping[str, str]
    say: Callable[[str], None]


class Artifact(Protocol):
    """Where what is released comes from."""

    @property
    def paths(self) -> Sequence[str]:
        """What git calls what it is made of; nothing for what comes from elsewhere."""

    def make(self, kitchen: Kitchen, version: str, commit: str) -> Path:
        """A program, or a folder; raises PipelineError with the reason and the setting that would change it."""


def digest_files(files: Iterable[tuple[Path, Path]]) -> str:
    """SHA-256 over the names, the executable bits and the contents of files, in their order.

    Each comes with the folder from which its name counts.
    """
    digest = hashlib.sha256()
    for file, root in files:
        content = file.read_bytes()
        executable = file.stat().st_mode & 0o100
        digest.update(f"{file.relative_to(root)}\0{executable}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def export(git: Git, target: Path, *paths: str) -> Path:
    """Copy the files below paths that belong to the project, tracked or new but not ignored; returns ``target``."""
    return _copied(git.files(*paths), git.root, target)


def export_own(git: Git, target: Path, name: str) -> Path:
    """Copy a folder that is the project's own, or else the one that slipway brings; returns the copy."""
    listed = files.brought(git.root, name)
    _copied(git.files(name) if listed is None else listed, files.home(git.root, name), target)
    return target / name


def _copied(listed: Iterable[Path], root: Path, target: Path) -> Path:
    for file in listed:
        copy = target / file.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copy, follow_symlinks=False)
    return target


def digest_of(artifact: Path) -> str:
    """SHA-256 of a program, or over all that is in a folder; a link counts by where it leads."""
    if artifact.is_file():
        return hashlib.sha256(artifact.read_bytes()).hexdigest()
    digest = hashlib.sha256()
    for path in _inside(artifact):
        name, executable = path.relative_to(artifact), path.lstat().st_mode & 0o100
        content = os.readlink(path).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        digest.update(f"{name}\0{executable}\0{path.is_symlink()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def pack(artifact: Path, target: Path) -> Path:
    """An archive of what becomes /opt/app: all of it root's, and nobody else may write; returns ``target``."""

    def cleaned(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = "root"
        entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
        return entry

    with tarfile.open(target, "w") as archive:
        for path in [artifact] if artifact.is_file() else _inside(artifact):
            name = NAME if artifact.is_file() else str(path.relative_to(artifact))
            archive.add(path, name, recursive=False, filter=cleaned)
    return target


_MACHINES = {0x3E: "amd64", 0xB7: "arm64", 0x03: "386", 0x28: "arm"}
_OTHERS = {b"MZ": "Windows", b"\xcf\xfa\xed\xfe": "macOS", b"\xca\xfe\xba\xbe": "macOS"}


def refuse_foreign(program: Path, named: str) -> None:
    """Raise PipelineError for a program that no droplet can run, by what the file begins with."""
    with program.open("rb") as file:
        head = file.read(20)
    if head.startswith(b"#!"):
        return
    system = next((name for magic, name in _OTHERS.items() if head.startswith(magic)), "")
    machine = int.from_bytes(head[18:20], "little") if head.startswith(b"\x7fELF") else None
    if machine == 0x3E:
        return
    what = f"for {system}" if system else f"for {_MACHINES.get(machine, machine)}" if machine else "no program at all"
    raise PipelineError(
        f"What {named} gives is {what}, and droplets run programs for linux/amd64.",
        "Name the artifact for linux/amd64 in slipway.toml, [app]; an archive is known by the end of its address.",
    )


def _inside(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@contextmanager
def cached(cache: Path, key: str) -> Iterator[tuple[Path, Path | None]]:
    """The artifact's place, and where to make it: None where it is made already. What fails leaves nothing."""
    made = cache / key / NAME
    if made.exists():
        made.parent.touch()
        yield made, None
        return
    made.parent.mkdir(parents=True, exist_ok=True)
    draft = made.with_suffix(".new")
    _remove(draft)
    try:
        yield made, draft
        with suppress(OSError):  # another build was quicker with the same
            draft.replace(made)
    finally:
        _remove(draft)
    _forget_older(cache)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def refuse_another_sum(what: str, version: str, sums: Mapping[str, str], found: str) -> None:
    """Raise PipelineError unless slipway.toml has just this sum for the version."""
    wanted = sums.get(version)
    if wanted == found:
        return
    line = f'"{version}" = "{found}"'
    if wanted is None:
        raise PipelineError(
            f"slipway.toml has no sum of version {version}, so nothing says that {what} is what its makers published.",
            f"Compare it with what they publish, and add to [app.sums]: {line}",
        )
    raise PipelineError(
        f"{what} has the sum {found}, and slipway.toml says {wanted} for version {version}: it is not what it was.",
        "Do not release it before you know why. Where the makers published it anew, correct [app.sums].",
    )


def _forget_older(cache: Path) -> None:
    with suppress(FileNotFoundError):  # another build forgets at the same time
        latest = sorted(cache.glob("*"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        for old in latest[KEPT:]:
            shutil.rmtree(old, ignore_errors=True)
