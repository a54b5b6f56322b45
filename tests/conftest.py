"""What suites need: those with machines of a local cloud need root."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent
OF_MACHINES = {"contract", "data", "machines"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(HERE).parts[0] in OF_MACHINES:
            item.add_marker(pytest.mark.host)
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.skip(reason="a local cloud needs root"))
