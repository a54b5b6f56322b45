"""A project as `slipway.toml` describes one, for tests of what works with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slipway.project import Project


def project(root: Path, name: str = "shop", **tables: Mapping[str, Any]) -> Project:
    """The project with these tables beside, or in place of, the ones that every file has."""
    needed = {
        "project": {"name": name},
        "image": {"base": "debian-12-x64"},
        "droplet": {"region": "fra1", "size": "s-1vcpu-1gb"},
        "verification": {"deadline": 60},
    }
    return Project.of(root, {**needed, **tables})
