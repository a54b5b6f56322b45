"""A tool that logs everything, as with TF_LOG=DEBUG, brings no secret to the terminal, the ledger or an error."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from slipway import redaction
from slipway.errors import PipelineError
from slipway.progress import Progress
from slipway.runs.ledger import Run
from slipway.tools.terraform.encryption import Encryption
from slipway.tools.terraform.engine import Root, Terraform
from slipway.verbs.verb import exit_with

PASSWORD, TOKEN = "hunter2-of-the-database", "dop_v1_0123456789abcdef"
SAID = f"""[DEBUG] POST /v2/databases/x/users
Authorization: Bearer {TOKEN}
{{"user": {{"name": "app_1", "password": "{PASSWORD}"}}}}
\x1b[31mpostgres://app_1:{PASSWORD}@10.0.0.2:25060/app\x1b[0m
"""


@pytest.fixture
def engine(tmp_path: Path) -> Terraform:
    """An engine that tells all that it knows, on both outputs, and fails."""
    (tmp_path / "said").write_text(SAID)
    binary = tmp_path / "tofu"
    binary.write_text(f"#!/bin/sh\ncat {tmp_path}/said\ncat {tmp_path}/said >&2\nexit 1\n")
    binary.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    return Terraform(binary, Root(tmp_path, work, tmp_path / "backend.tf"), {}, Encryption(None))


@pytest.mark.parametrize("command", ["output", "apply", "plan"])
def test_what_an_engine_says_reaches_nobody_with_its_secrets(
    tmp_path: Path, engine: Terraform, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = io.StringIO()
    monkeypatch.setattr(sys, "stderr", watched)
    redaction.learn(TOKEN)
    progress, run = Progress(), Run.begin(tmp_path / "runs", {"command": "deploy"})
    progress.listeners.append(run)
    commands: dict[str, Callable[[], object]] = {
        "output": lambda: engine.outputs(),
        "apply": lambda: engine.apply(None, lambda event: progress.detail(str(event.get("@message")))),
        "plan": lambda: engine.plan(None, tmp_path / "plan"),
    }
    with pytest.raises(PipelineError) as error:
        commands[command]()
    progress.warn(f"{error.value.message} {error.value.hint}")
    run.write("ends", outcome="failed", error=error.value.hint, live=None)
    shown = str(exit_with(error.value.message, error.value.hint).message)
    assert "10.0.0.2" in shown, "what helps is there"
    for text in (shown, watched.getvalue(), run.path.read_text()):
        assert text and PASSWORD not in text and TOKEN not in text and "\x1b" not in text
