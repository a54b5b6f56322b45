"""The settings of a cloud that is only thought of."""

from __future__ import annotations

from pathlib import Path

from localocean.config import Config


def config(folder: Path, **settings: str) -> Config:
    """Those of a cloud whose state would be in ``folder``, with others as the environment would name them."""
    return Config.from_environment({"LOCALOCEAN_STATE": str(folder)} | settings)
