"""Writing into a droplet's file system from outside, as its root, without ever leaving it.

What a droplet left on its disk is not to be trusted: a symbolic link there could point at a file of the host. So
every component is opened without following links, and a link in the way is replaced by a real directory.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

SHIFT = 524288
"""The host's user and group id that is root inside every droplet; its other ids follow."""

IDS, NOBODY = 65536, 65534
"""How many ids a droplet has, and the one that is Debian's nobody and nogroup."""

MOST = 1 << 20
"""Bytes: a droplet may make its files as large as it likes, and the server must not read all of them."""


def write(root: Path, path: str, content: str | bytes, mode: int = 0o644, group: int = 0) -> None:
    """Put a file of the droplet's root and ``group`` at the absolute ``path`` under ``root``, at once or not at all."""
    *parents, name = PurePosixPath(path).parts[1:]
    folder = _folder(root, parents)
    try:
        draft = f".{name}.localocean"
        _unlink(draft, folder)
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode, dir_fd=folder)
        with os.fdopen(file, "wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            os.fchown(file, SHIFT, SHIFT + group)
            os.fchmod(file, mode)
        os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        os.close(folder)


def read(root: Path, path: str) -> bytes | None:
    """The content of the regular file at the absolute ``path`` under ``root``, its first megabyte at most.

    None when there is none.
    """
    *parents, name = PurePosixPath(path).parts[1:]
    try:
        with opened(root, parents) as folder:
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
            if not stat.S_ISREG(os.fstat(file).st_mode):
                os.close(file)
                return None
            with os.fdopen(file, "rb") as stream:
                return stream.read(MOST)
    except OSError:
        return None


def empty(root: Path, path: str) -> None:
    """Remove the files in the directory at the absolute ``path`` under ``root``, if it is there; directories stay."""
    with suppress(FileNotFoundError, NotADirectoryError), opened(root, PurePosixPath(path).parts[1:]) as folder:
        for name in os.listdir(folder):
            with suppress(IsADirectoryError):
                _unlink(name, folder)


@contextmanager
def opened(root: Path, parts: Iterable[str]) -> Iterator[int]:
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts:
            child = _enter(part, folder)
            os.close(folder)
            folder = child
        yield folder
    finally:
        os.close(folder)


def _folder(root: Path, parents: list[str]) -> int:
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    for part in parents:
        try:
            child = _enter_or_make(part, folder)
        finally:
            os.close(folder)
        folder = child
    return folder


def _enter_or_make(name: str, folder: int) -> int:
    try:
        return _enter(name, folder)
    except OSError:
        _unlink(name, folder)
        os.mkdir(name, 0o755, dir_fd=folder)
        os.chown(name, SHIFT, SHIFT, dir_fd=folder, follow_symlinks=False)
        return _enter(name, folder)


def _enter(name: str, folder: int) -> int:
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)


def _unlink(name: str, folder: int) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        pass
