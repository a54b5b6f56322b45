"""What the ledger says of a run, in a project that is a folder of a larger repository."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from slipway.environment.session import Session
from slipway.errors import PipelineError, Unrecorded
from slipway.runs import record
from slipway.runs import run as runs
from slipway.runs.ledger import Ledger
from slipway.tools.programs.environment import compose

ROOT = Path(__file__).parents[4]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    root = tmp_path / "folder"
    environments = root / "terraform" / "environments"
    environments.mkdir(parents=True)
    shutil.copy(ROOT / "slipway.toml", root)
    shutil.copy(ROOT / "terraform/environments/production.tfvars.json", environments)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return Session(root, {"DIGITALOCEAN_TOKEN": "a-token"}, "production")


def told(session: Session) -> list[tuple[str, str]]:
    book = Ledger.of(session.settings.project, "production")
    shutil.rmtree(book.folder)  # git has them, or nobody
    found = [record.parse(book.text(run)) for run in book.runs()]
    return sorted((run.command, run.outcome) for run in found)


def test_a_release_that_was_not_committed_succeeded_and_says_what_did_not(session: Session) -> None:
    with pytest.raises(Unrecorded), runs.recorded(session, "deploy v1"):
        raise Unrecorded("v1 is live, but the file was not committed.")
    with pytest.raises(PipelineError), runs.recorded(session, "deploy v2"):
        raise PipelineError("It failed its verification.")
    with runs.recorded(session, "deploy v3") as run:
        assert compose()["SLIPWAY_RUN"] == str(run.path)  # which the verbs of the graph continue
    assert told(session) == [("deploy v1", "succeeded"), ("deploy v2", "failed"), ("deploy v3", "succeeded")]
