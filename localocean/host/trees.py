"""Trees of directories that a droplet or an archive made, walked however deep they are and however long their paths.

A name has 255 bytes at most, but nothing limits how many of them a path has. So nothing here recurses, holds more than
a few descriptors open, or hands the kernel a path of more than one name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Entry(NamedTuple):
    """A name in an open directory, which stays open until the next entry is asked for."""

    folder: int
    name: str
    is_folder: bool


class _Above(NamedTuple):
    """A directory that the walk has to come back to: which one it is, where the walk went, and where it has to go."""

    identity: tuple[int, int]
    entered: str
    waiting: list[str]


def below(root: Path) -> Iterator[Entry]:
    """Every entry below ``root``; what a directory holds comes before it. Links are entries and are not followed.

    The caller may remove an entry that it was given. A directory that vanishes meanwhile is left out; the walk ends
    when one is moved elsewhere.
    """
    folder = os.open(root, FLAGS)
    above: list[_Above] = []
    try:
        files, waiting = _listed(folder)
        while True:
            for name in files:
                yield Entry(folder, name, False)
            files = []
            if waiting:
                name = waiting.pop()
                with suppress(FileNotFoundError, NotADirectoryError):
                    child = os.open(name, FLAGS, dir_fd=folder)
                    above.append(_Above(_identity(folder), name, waiting))
                    os.close(folder)
                    folder = child
                    files, waiting = _listed(folder)
            elif above:
                back = above.pop()
                parent = os.open("..", FLAGS, dir_fd=folder)
                os.close(folder)
                folder = parent
                if _identity(folder) != back.identity:
                    return
                waiting = back.waiting
                yield Entry(folder, back.entered, True)
            else:
                return
    finally:
        os.close(folder)


def _identity(folder: int) -> tuple[int, int]:
    found = os.fstat(folder)
    return found.st_dev, found.st_ino


def _listed(folder: int) -> tuple[list[str], list[str]]:
    """The names in a directory: those that are no directories, and those that are."""
    files: list[str] = []
    folders: list[str] = []
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            (folders if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
    return files, folders
