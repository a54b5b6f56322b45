"""Write `docs/slipway.schema.json`, by which editors complete and check `slipway.toml`: `python -m devtools.schema`."""

from __future__ import annotations

import json
from pathlib import Path

from slipway.data import schema
from slipway.project import ProjectFile

PATH = Path(__file__).parents[1] / "docs" / "slipway.schema.json"


def text() -> str:
    """What the file should say."""
    return json.dumps(schema(ProjectFile), indent=2) + "\n"


if __name__ == "__main__":
    PATH.write_text(text())
