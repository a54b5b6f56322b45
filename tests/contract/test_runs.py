"""Runs of one environment from two checkouts: one at a time, each written down, the dead ones found and replaced."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.reports import status
from slipway.runs import account_lock, record
from slipway.runs import run as runs
from slipway.runs.ledger import Ledger, Run
from tests.contract.support import ROOT, Api
from tests.support import until

pytestmark = pytest.mark.usefixtures("clean")

HOLDING = """
import os, sys, time
from pathlib import Path
from slipway.runs import run as runs
from slipway.environment.session import Session
with runs.alone(Session(Path(sys.argv[1]), os.environ, "staging"), "deploy v2"):
    print("holding", flush=True)
    time.sleep(300)
"""


def git(folder: Path, *args: str) -> str:
    return subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkouts(tmp_path: Path) -> tuple[Path, Path]:
    """Two clones of a project that shares its ledger."""
    first, second = tmp_path / "first", tmp_path / "second"
    git(tmp_path, "init", "--quiet", "--bare", "hub.git")
    git(tmp_path, "clone", "--quiet", "hub.git", str(first))
    (first / "slipway.toml").write_text((ROOT / "slipway.toml").read_text() + '\n[ledger]\nremote = "origin"\n')
    reference = first / "terraform" / "environments" / "staging.tfvars.json"
    reference.parent.mkdir(parents=True)
    reference.write_text('{"live": null, "releases": {}, "standby": null}\n')
    git(first, "add", "--all")
    git(first, "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--quiet", "--message", "Begin")
    git(first, "push", "--quiet", "origin", "HEAD")
    git(tmp_path, "clone", "--quiet", "hub.git", str(second))
    return first, second


@pytest.fixture
def environ(api: Api, tmp_path: Path) -> dict[str, str]:
    """What both have in common: the cloud, and the deploy key."""
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    cloud = {"DIGITALOCEAN_TOKEN": api.token, "DIGITALOCEAN_API_URL": api.endpoint}
    return {**os.environ, **cloud, "DEPLOY_SSH_KEY": key.read_text()}


@pytest.fixture
def session(environ: dict[str, str]) -> Callable[[Path], Session]:
    return lambda root: Session(root, environ, "staging")


def run_by(run: Run) -> str:
    found = record.parse(run.path.read_text())
    return f"{found.who}@{found.host}"


def ledger(session: Session) -> Ledger:
    return Ledger.of(session.settings.project, "staging")


def test_two_machines_deploy_one_after_the_other(
    checkouts: tuple[Path, Path], session: Callable[[Path], Session], api: Api
) -> None:
    first, second = (session(root) for root in checkouts)
    with runs.alone(first, "deploy v2") as run:
        with (
            pytest.raises(PipelineError, match=rf"Another run has staging: deploy v2 by \S+@\S+, run {run.id}, since"),
            runs.alone(second, "rollback"),
        ):
            pytest.fail("both were let in")
        assert (status.status(second).run or "").startswith(f"deploy v2 by {run_by(run)}, run {run.id}, since")
    with runs.alone(second, "rollback"):
        pass
    assert status.status(first).run is None
    assert api.get("/v2/account/keys")["ssh_keys"] == []
    ledger(first).fetch()
    told = [record.parse(ledger(first).text(run)) for run in ledger(first).runs()]
    assert sorted((each.command, each.outcome) for each in told) == [
        ("deploy v2", "succeeded"),
        ("rollback", "failed"),
        ("rollback", "succeeded"),
    ]


def test_a_run_that_was_killed_is_replaced_at_once_and_told_of(
    checkouts: tuple[Path, Path], session: Callable[[Path], Session], environ: dict[str, str]
) -> None:
    root = checkouts[0]
    argv = [sys.executable, "-c", HOLDING, str(root)]
    with subprocess.Popen(argv, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None and killed.stdout.readline() == "holding\n"
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    before = ledger(session(root)).runs()
    with runs.alone(session(root), "deploy v2"):
        pass
    told = {run: record.parse(ledger(session(root)).text(run)) for run in ledger(session(root)).runs()}
    assert [told[run].outcome for run in before] == ["died"]
    assert sorted(each.outcome for each in told.values()) == ["died", "succeeded"]


def test_steps_do_not_begin_when_somebody_else_was_let_in(
    checkouts: tuple[Path, Path], session: Callable[[Path], Session], api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_lock, "Rhythm", partial(account_lock.Rhythm, beat=0.1))
    here = session(checkouts[0])
    begun: list[str] = []

    def lost() -> bool:
        try:
            with here.progress.step("move the floating IP"):
                begun.append("step")
        except PipelineError as error:
            return "taken for dead" in error.message
        return False

    with runs.alone(here, "deploy v2"):
        assert not lost() and begun == ["step"]
        key = api.get("/v2/account/keys")["ssh_keys"][0]["id"]
        api.call("DELETE", f"/v2/account/keys/{key}", status=204)
        until(lost, 20)


def test_a_failure_is_written_down_with_its_sentence(
    checkouts: tuple[Path, Path], session: Callable[[Path], Session]
) -> None:
    here = session(checkouts[0])
    with pytest.raises(PipelineError), runs.alone(here, "deploy v2", "it has to be"):
        raise PipelineError("It broke.", "Mend it.")
    with pytest.raises(KeyboardInterrupt), runs.alone(here, "deploy v2"):
        raise KeyboardInterrupt
    told = [record.parse(ledger(here).text(run)) for run in ledger(here).runs()]
    assert sorted((each.outcome, each.error, each.force) for each in told) == [
        ("failed", "It broke.", "it has to be"),
        ("interrupted", "", ""),
    ]
