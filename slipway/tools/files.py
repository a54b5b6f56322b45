"""Files that others must not read, whether there is room for any, and where those are that slipway brings."""

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


OWN = {
    "packer": "app.pkr.hcl",
    "provisioning": "provision.sh",
    "terraform": "main.tf",
    "toolchain": "packer/go.mod",
    "tests/droplet": "conftest.py",
}
"""The folders that slipway brings, and the file by which one is known that is the project's own."""
_INSTALLED = Path(__file__).parents[1] / "files"
_BROUGHT = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[2]


def home(root: Path, name: str) -> Path:
    """The folder in which the folder ``name`` is: the project's own where it has it, else what slipway brings."""
    return root if (root / name / OWN[name]).is_file() else _BROUGHT


def brought(root: Path, name: str) -> list[Path] | None:
    """The files of the folder ``name`` that slipway brings; None where it is the project's own, of which git knows."""
    if (place := home(root, name)) == root:
        return None
    return sorted(path for path in (place / name).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
