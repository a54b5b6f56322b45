"""One run at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from slipway.errors import PipelineError
from slipway.runs.checkout_lock import only_one


def test_a_second_run_is_told_who_has_the_lock(tmp_path: Path) -> None:
    with only_one(tmp_path, "deploy v1"):
        with (
            pytest.raises(PipelineError, match=r"deploy v1, process \d+, since .* UTC"),
            only_one(tmp_path, "rollback"),
        ):
            pass
    with only_one(tmp_path, "rollback"):
        pass


def test_a_run_that_failed_lets_go(tmp_path: Path) -> None:
    with pytest.raises(ValueError), only_one(tmp_path, "deploy v1"):
        raise ValueError
    with only_one(tmp_path, "deploy v2"):
        assert "deploy v2" in (tmp_path / "lock").read_text()
