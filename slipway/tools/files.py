"""Files that others must not read, and whether there is room for any."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def write_private(path: Path, text: str) -> Path:
    """Put a file that is its owner's alone in its place, in one step; gives the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    return temporary.replace(path)


def is_full(folder: Path) -> bool:
    """Whether the disk of a folder has no room for a state and a plan: less than a MiB."""
    return shutil.disk_usage(folder).free < 1 << 20
