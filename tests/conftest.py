"""What suites need: those with machines of a local cloud need root, and every test an end."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from slipway.errors import PipelineError

HERE = Path(__file__).parent
OF_MACHINES = {"contract", "data", "machines"}
TEST_TIMEOUT_S, UNIT_TEST_TIMEOUT_S = 1500, 120


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        suite = item.path.relative_to(HERE).parts[0]
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(UNIT_TEST_TIMEOUT_S if suite == "unit" else TEST_TIMEOUT_S))
        if suite in OF_MACHINES:
            item.add_marker(pytest.mark.host)
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.skip(reason="a local cloud needs root"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """The hint of a failure is not in its sentence, and often says why."""
    report = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, PipelineError) and call.excinfo.value.hint:
        report.sections.append(("hint", call.excinfo.value.hint))
    return report
