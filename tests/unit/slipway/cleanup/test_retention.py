"""Which images git refers to: every branch, every tag, and the last releases."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from slipway.cleanup import retention
from slipway.config import ENVIRONMENTS
from slipway.errors import PipelineError
from slipway.tools.git.git import Git


class Repository:
    """A repository whose reference file is committed a few times."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / ENVIRONMENTS).mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        for key, value in (("user.name", "tester"), ("user.email", "t@example.com"), ("commit.gpgsign", "false")):
            self.git("config", key, value)

    def git(self, *args: str) -> None:
        subprocess.run(["git", *args], cwd=self.root, check=True, capture_output=True)

    def write(self, *versions: str, environment: str = "local") -> None:
        text = ", ".join(f'"{v}": {{"image": "app-{v}-000000000000"}}' for v in versions)
        (self.root / ENVIRONMENTS / f"{environment}.tfvars.json").write_text(f'{{"releases": {{{text}}}}}')

    def release(self, *versions: str, environment: str = "local") -> None:
        self.write(*versions, environment=environment)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", f"Release {versions[-1]}")

    def named(self, keep: int) -> set[str]:
        return {name.split("-")[1] for name in retention.named(Git(self.root), self.root, keep)}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_the_last_releases_of_every_environment_are_named(repository: Repository) -> None:
    for version in ("v1", "v2", "v3"):
        repository.release(version)
    repository.release("p1", environment="production")
    repository.write("v3", "new")  # in the work tree alone
    assert repository.named(keep=2) == {"v2", "v3", "p1", "new"}


def test_the_tip_of_every_branch_and_tag_is_named(repository: Repository) -> None:
    repository.release("v1")
    repository.git("tag", "--annotate", "old", "--message", "old")
    repository.git("switch", "--quiet", "--create", "side")
    repository.release("side")
    repository.git("switch", "--quiet", "main")
    for version in ("v2", "v3", "v4"):
        repository.release(version)
    assert repository.named(keep=1) == {"v1", "side", "v4"}


def test_a_file_that_is_corrupt_still_names_its_images(repository: Repository) -> None:
    repository.release("v1")
    path = repository.root / ENVIRONMENTS / "local.tfvars.json"
    path.write_text('{"live": <<<<<<< "image": "app-v1-000000000000", "image": "app-v2-000000000000"')
    assert repository.named(keep=1) == {"v1", "v2"}


def test_a_shallow_clone_cannot_say(repository: Repository, tmp_path: Path) -> None:
    repository.release("v1")
    repository.release("v2")
    subprocess.run(
        ["git", "clone", "--quiet", "--depth=1", f"file://{repository.root}", str(tmp_path / "clone")], check=True
    )
    with pytest.raises(PipelineError, match="shallow"):
        retention.named(Git(tmp_path / "clone"), tmp_path / "clone", 5)
