"""Versions, commits and digests, from real repositories."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from slipway.errors import PipelineError
from slipway.image import version
from slipway.image.artifact import digest_files
from slipway.tools.git.git import Git

PROGRAM = ("app",)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    def git(*args: str) -> None:
        subprocess.run(["git", *args], cwd=tmp_path, check=True, capture_output=True)

    git("init", "--initial-branch=main")
    git("config", "user.name", "tester")
    git("config", "user.email", "tester@example.com")
    for folder in (*PROGRAM, *version.IMAGE_INPUTS, "terraform"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file").write_text(folder)
    for file in ("provisioning/provision.sh", "packer/app.pkr.hcl"):
        (tmp_path / file).touch()
    git("add", ".")
    git("commit", "--message", "first")
    return tmp_path


def commit(repository: Path, file: str, text: str) -> None:
    (repository / file).write_text(text)
    subprocess.run(["git", "commit", "-qam", "change"], cwd=repository, check=True)


def test_the_version_is_asked_for_or_described(repository: Path) -> None:
    git = Git(repository)
    assert version.resolve(git, "v1", PROGRAM, dirty=False)[0] == "v1"
    described = version.resolve(git, None, PROGRAM, dirty=False)[0]
    assert git.last_commit(["app"]).startswith(described)
    subprocess.run(["git", "tag", "v7"], cwd=repository, check=True)
    assert version.resolve(git, None, PROGRAM, dirty=False)[0] == "v7"
    commit(repository, "app/file", "changed")
    assert version.resolve(git, None, PROGRAM, dirty=False)[0].startswith("v7-1-g")


def test_the_commit_is_the_last_that_changed_what_goes_into_the_image(repository: Path) -> None:
    git = Git(repository)
    first = version.resolve(git, "v1", PROGRAM, dirty=False)
    commit(repository, "terraform/file", "a reference")
    assert version.resolve(git, "v1", PROGRAM, dirty=False) == first
    commit(repository, "provisioning/file", "changed")
    assert version.resolve(git, "v1", PROGRAM, dirty=False) != first


def test_folders_that_only_have_the_names_of_slipways_own_go_into_no_image(repository: Path) -> None:
    git = Git(repository)
    first = version.resolve(git, "v1", PROGRAM, dirty=False)
    (repository / "packer" / "app.pkr.hcl").unlink()
    commit(repository, "packer/file", "boxes")
    assert version.resolve(git, "v1", PROGRAM, dirty=False) == first
    (repository / "slipway.toml").write_text("")
    subprocess.run(["git", "add", "."], cwd=repository, check=True)
    commit(repository, "provisioning/provision.sh", "gone")
    (repository / "provisioning" / "provision.sh").unlink()
    commit(repository, "app/file", "not of it")
    assert version.resolve(git, "v1", (), dirty=False)[1] == git.last_commit(["slipway.toml"])


def test_uncommitted_changes_are_refused_or_said(repository: Path) -> None:
    git = Git(repository)
    (repository / "terraform" / "file").write_text("a reference file does not count")
    clean = version.resolve(git, "v1", PROGRAM, dirty=True)
    assert clean == version.resolve(git, "v1", PROGRAM, dirty=False)
    (repository / "app" / "new").write_text("untracked counts")
    with pytest.raises(PipelineError, match="uncommitted changes: app/new"):
        version.resolve(git, "v1", PROGRAM, dirty=False)
    assert version.resolve(git, "v1", PROGRAM, dirty=True) == ("v1-dirty", f"{clean[1]}-dirty")


@pytest.mark.parametrize(
    "name", ["", "-v1", "v1-", "v 1", "v1/2", "v" * 31, "v1_2", "ä", "v1..0", "v1.-0", "v1-.0", ".v1", "v1.", "live"]
)
def test_what_cannot_be_part_of_a_name_is_no_version(name: str) -> None:
    with pytest.raises(PipelineError, match="cannot be a version"):
        version.check(name)


def test_a_version_is_a_hostname_wherever_it_has_dots() -> None:
    for name in ("v1", "1", "v1.2.0-rc1", "v1--2", "7d1f0c2", "V1.A"):
        assert version.check(name) == name


def test_a_tag_that_cannot_be_a_version_is_told_to_be_git_s(repository: Path) -> None:
    subprocess.run(["git", "tag", "v1_0"], cwd=repository, check=True)
    with pytest.raises(PipelineError, match="^'v1_0' cannot be a version.$") as error:
        version.resolve(Git(repository), None, PROGRAM, dirty=False)
    assert "--version gives it another name" in error.value.hint


def test_an_empty_version_is_none(repository: Path) -> None:
    with pytest.raises(PipelineError, match="'' cannot be a version"):
        version.resolve(Git(repository), "", PROGRAM, dirty=False)


@pytest.mark.parametrize("name", ["v1-dirty", "v1-DIRTY"])
def test_a_version_is_not_called_dirty_by_hand(repository: Path, name: str) -> None:
    with pytest.raises(PipelineError, match="ends in -dirty.*adds to a version") as error:
        version.resolve(Git(repository), name, PROGRAM, dirty=False)
    assert "such as v1;" in error.value.hint


def test_versions_that_differ_by_case_alone_collide() -> None:
    version.refuse_other_spelling("v1", ["v1", "v10", "v2"])
    with pytest.raises(PipelineError, match="^There is a version v1 already, from which V1 differs by the case"):
        version.refuse_other_spelling("V1", ["v2", "v1"])


def test_a_digest_of_files_knows_names_contents_and_modes(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("text")
    digests = {digest_files([(file, tmp_path)])}
    file.chmod(0o755)
    digests.add(digest_files([(file, tmp_path)]))
    file.write_text("texts")
    digests.add(digest_files([(file, tmp_path)]))
    digests.add(digest_files([(file.rename(tmp_path / "b"), tmp_path)]))
    assert len(digests) == 4


def test_outside_a_repository_the_sentence_says_so(tmp_path: Path) -> None:
    with pytest.raises(PipelineError):
        version.resolve(Git(tmp_path), "v1", PROGRAM, dirty=False)
