"""Terraform's events, told as steps."""

from __future__ import annotations

from typing import Any

import pytest

from slipway.graph.narrator import Narrator
from slipway.progress import Progress


def event(kind: str, resource: str, action: str, key: str | None = None, **more: Any) -> dict[str, Any]:
    type_, name = resource.split(".")
    what = {"resource_type": type_, "resource_name": name, "resource_key": key}
    return {"type": kind, "hook": {"resource": what, "action": action, **more}}


def told(capsys: pytest.CaptureFixture[str], *events: dict[str, Any]) -> str:
    narrator = Narrator(Progress())
    for each in events:
        narrator(each)
    return capsys.readouterr().err


def test_a_step_is_told_with_its_key_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    droplet = ("digitalocean_droplet.app", "create", "v1-abc")
    assert told(
        capsys,
        event("apply_start", *droplet),
        event("apply_progress", *droplet, elapsed_seconds=10),
        event("apply_complete", *droplet, elapsed_seconds=20),
    ) == (
        "  ▸ create the droplet of v1-abc\n"
        "    create the droplet of v1-abc: 10 s so far\n"
        "  ✓ create the droplet of v1-abc · 20 s\n"
    )


def test_a_gate_that_fails_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    failed = event("apply_errored", "terraform_data.gate", "create", "v2-def", elapsed_seconds=3)
    assert told(capsys, failed) == "  ✗ verify v2-def before any traffic · failed after 3 s\n"


def test_what_nobody_waits_for_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    others: list[dict[str, Any]] = [
        {"type": "version"},
        {"type": "diagnostic", "hook": None},
        event("apply_start", "a.b", "create"),
    ]
    assert told(capsys, *others) == ""
