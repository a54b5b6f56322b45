"""Going back by git alone: whatever is reverted, the reference file says again what it said before, marks included."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from slipway.environment import reference
from slipway.environment.reference import Reference, Release


def release(version: str) -> Release:
    return Release(version, "c0ffee", f"app-{version}-0123456789ab", "s-1vcpu-1gb", "feed")


V1, V2, V3 = release("v1"), release("v2"), release("v3")


class Repository:
    """A checkout whose reference file is committed with each release."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "local.tfvars.json"
        self.git("init", "--quiet", "--initial-branch=main")
        for key, value in (("user.name", "t"), ("user.email", "t@example.com"), ("commit.gpgsign", "false")):
            self.git("config", key, value)
        self.commit(Reference(), "Begin")

    def git(self, *args: str) -> None:
        subprocess.run(["git", *args], cwd=self.folder, check=True, capture_output=True)

    def commit(self, now: Reference, message: str) -> None:
        reference.write(self.path, now)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def deploy(self, release: Release) -> None:
        self.commit(self.now.deploying(release), f"Release {release.key}")

    @property
    def now(self) -> Reference:
        return reference.read(self.path)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """v1 is live."""
    made = Repository(tmp_path)
    made.deploy(V1)
    return made


def test_one_release(repository: Repository) -> None:
    before = repository.now
    repository.deploy(V2)
    repository.git("revert", "--no-edit", "HEAD")
    assert repository.now == before and before.live == V1.key


def test_several_releases(repository: Repository) -> None:
    before = repository.now
    repository.deploy(V2)
    repository.deploy(V3)
    repository.git("revert", "--no-edit", "HEAD~2..HEAD")
    assert repository.now == before


def test_a_merge(repository: Repository) -> None:
    before = repository.now
    repository.git("checkout", "--quiet", "-b", "release")
    repository.deploy(V2)
    repository.deploy(V3)
    repository.git("checkout", "--quiet", "main")
    (repository.folder / "other").write_text("something else happened\n")
    repository.git("add", "--all")
    repository.git("commit", "--quiet", "--message", "Something else")
    repository.git("merge", "--quiet", "--no-ff", "--no-edit", "release")
    assert repository.now.live == V3.key
    repository.git("revert", "--no-edit", "--mainline", "1", "HEAD")
    assert repository.now == before


def test_a_revert(repository: Repository) -> None:
    repository.deploy(V2)
    after = repository.now
    repository.git("revert", "--no-edit", "HEAD")
    repository.git("revert", "--no-edit", "HEAD")
    assert repository.now == after and after.live == V2.key


def test_a_rollback_takes_its_mark_back(repository: Repository) -> None:
    repository.deploy(V2)
    repository.commit(repository.now.deploying(V1).rejecting(V2, "rolled back by ann@desk"), "Roll back")
    assert repository.now.rejected
    repository.git("revert", "--no-edit", "HEAD")
    assert repository.now.live == V2.key and not repository.now.rejected
    reference.refuse_rejected(repository.now, V2, "")
