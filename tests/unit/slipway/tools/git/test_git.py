"""What git says of a project that is a repository, or a folder of a larger one, whatever its user has configured."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from slipway.cleanup import retention
from slipway.errors import PipelineError
from slipway.image import version
from slipway.image.artifact import export
from slipway.tools.git.git import Git, best_version, variables
from slipway.tools.git.refs import GitRefStore
from slipway.tools.programs.process import call

IDENTITY = (("user.name", "tester"), ("user.email", "tester@example.com"), ("commit.gpgsign", "false"))
FOLDER = "a folder/of [many]"

INPUTS = ["app", *version.IMAGE_INPUTS]


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def initialise(folder: Path) -> None:
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    for name, value in IDENTITY:
        git(folder, "config", name, value)


def commit(root: Path, **files: str) -> str:
    """Write files of the project (__ stands for a slash), commit them, and return the commit."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(root, "add", "--all", ".")
    git(root, "commit", "--quiet", "--message", "A change")
    return git(root, "rev-parse", "HEAD")


@pytest.fixture(params=["", FOLDER], ids=["whole", "folder"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A project with something in each of its folders; in the second case other projects are around it."""
    repository: Path = tmp_path / "repository"
    initialise(repository)
    root: Path = repository / request.param
    if request.param:
        commit(repository, app__main_go="another project's", file="")
    commit(root, app__main_go="package main", provisioning__file="p", packer__file="p", slipway_toml="")
    return root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project in a folder of a repository in which others are at work."""
    initialise(tmp_path / "repository")
    commit(tmp_path / "repository", other="")
    commit(tmp_path / "repository/shop", app__main_go="package main")
    return tmp_path / "repository/shop"


def test_what_is_changed_is_named_from_the_projects_own_folder(project: Path) -> None:
    assert Git(project).changed(["."]) == []
    (project / "app/main_go").write_text("changed")
    (project / "app/new “file”").write_text("")
    os.rename(project / "packer/file", project / "packer/moved")
    changed = Git(project).changed(INPUTS)
    assert sorted(changed) == ["app/main_go", "app/new “file”", "packer/file", "packer/moved"]


def test_a_change_elsewhere_in_the_repository_is_no_change(folder: Path) -> None:
    (folder.parent / "other").write_text("changed")
    (folder.parent / "new").write_text("")
    assert Git(folder).changed(["."]) == []


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_what_git_was_told_not_to_look_at_is_looked_at(project: Path, flag: str) -> None:
    git(project, "update-index", flag, "app/main_go", "packer/file")
    assert Git(project).changed(["."]) == []
    (project / "app/main_go").write_text("changed")
    (project / "packer/file").unlink()
    assert sorted(Git(project).changed(["."])) == ["app/main_go", "packer/file"]
    with pytest.raises(PipelineError, match="uncommitted changes"):
        version.resolve(Git(project), "v1", ["app"], dirty=False)


def test_the_commit_is_the_last_one_of_the_projects_inputs(project: Path) -> None:
    own = commit(project, app__main_go="changed")
    commit(project, terraform__file="a reference")
    if project.name != "repository":
        commit(project.parents[1], app__main_go="another project's change")
    assert version.resolve(Git(project), "v1", ["app"], dirty=False) == ("v1", own)


def test_a_shallow_clone_names_another_commit_and_knows_that_it_may(project: Path, tmp_path: Path) -> None:
    own = commit(project, app__main_go="changed")
    commit(project, terraform__file="a reference")
    top = Path(git(project, "rev-parse", "--show-toplevel"))
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{top}", "clone")
    clone = Git(tmp_path / "clone" / project.relative_to(top))
    assert clone.shallow and clone.last_commit(INPUTS) != own
    git(clone.root, "fetch", "--quiet", "--unshallow")
    assert not clone.shallow and clone.last_commit(INPUTS) == own


def test_what_a_file_said_before_is_found(project: Path) -> None:
    for text in ("one\n", "two\n"):
        commit(project, terraform__reference=text)
    (project / "terraform/reference").unlink()
    commit(project)
    commit(project, terraform__reference="three\n")
    assert list(Git(project).past(project / "terraform/reference")) == ["three\n", "two\n", "one\n"]


def test_only_files_that_git_tracks_or_could_track_are_taken(project: Path, tmp_path: Path) -> None:
    commit(project, _gitignore="*.secret\napp/ignored*\n")
    os.rename(project / "_gitignore", project / ".gitignore")
    (project / "app/ignored.go").write_text("package main\nfunc init() { panic(1) }")
    (project / "app/new.go").write_text("package main")
    (project / "app/tool").write_text("")
    (project / "app/tool").chmod(0o755)
    copy = export(Git(project), tmp_path / "copy", "app") / "app"
    assert sorted(path.name for path in copy.iterdir()) == ["main_go", "new.go", "tool"]
    assert (copy / "tool").stat().st_mode & 0o100 and not (copy / "new.go").stat().st_mode & 0o100


def test_a_link_brings_no_ignored_file_in(project: Path, tmp_path: Path) -> None:
    (project / ".gitignore").write_text("ignored.go\n")
    (project / "ignored.go").write_text("package main")
    (project / "app/link.go").symlink_to("../ignored.go")
    commit(project)
    copy = export(Git(project), tmp_path / "copy", "app") / "app"
    assert (copy / "link.go").is_symlink() and not (copy / "link.go").exists()  # which the compiler refuses by name


# ---- versions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "best"),
    [
        (["latest", "v9.9.9"], "v9.9.9"),
        (["v9.9.9", "zzz", "stable"], "v9.9.9"),
        (["v1.9", "v1.10", "v1.2.30"], "v1.10"),
        (["v2.0.0-rc.10", "v2.0.0-rc.9", "v1.9.9"], "v2.0.0-rc.10"),
        (["v2.0.0-rc.1", "v2.0.0", "v2.0.0-alpha"], "v2.0.0"),
        (["1.0", "v0.9"], "1.0"),
        (["blue", "amber"], "blue"),
        ([], ""),
    ],
)
def test_of_two_tags_the_highest_version_counts(tags: Sequence[str], best: str) -> None:
    assert best_version(tags) == best_version(list(reversed(tags))) == best


@pytest.mark.parametrize("annotated", [False, True])
def test_a_tag_that_is_a_version_goes_before_one_that_is_none(project: Path, annotated: bool) -> None:
    git(project, "tag", "v9.9.9")
    git(project, "tag", *(["--annotate", "--message=m"] if annotated else []), "latest")
    assert Git(project).describe() == "v9.9.9"
    head = commit(project, app__main_go="changed")
    assert Git(project).describe() == f"v9.9.9-1-g{head[:7]}"


def test_a_tag_of_another_folder_is_no_version_of_this_one(folder: Path) -> None:
    git(folder, "tag", "billing/v7")
    assert Git(folder).describe() == git(folder, "rev-parse", "--short", "HEAD")
    git(folder, "tag", "shop/v1.2")
    git(folder, "tag", "v3")
    assert Git(folder).describe() == "v1.2"


def test_commits_elsewhere_do_not_change_the_version(folder: Path) -> None:
    git(folder, "tag", "shop/v1")
    own = commit(folder, app__main_go="changed")
    for number in range(3):
        commit(folder.parent, other=str(number))
    assert Git(folder).describe() == f"v1-1-g{own[:7]}"


def test_a_repository_without_a_commit_is_told(tmp_path: Path) -> None:
    initialise(tmp_path / "empty")
    with pytest.raises(PipelineError, match="no commit to take a version from"):
        Git(tmp_path / "empty").describe()


# ---- what a user may have configured ------------------------------------------------------------------------------

SETTINGS = {
    "color.ui": "always",
    "color.status": "always",
    "core.quotePath": "true",
    "core.pager": "false",
    "core.abbrev": "40",
    "core.fsmonitor": "/nowhere/fsmonitor",
    "diff.external": "false",
    "diff.noprefix": "true",
    "diff.renames": "copies",
    "log.showSignature": "true",
    "log.decorate": "full",
    "log.follow": "true",
    "status.short": "true",
    "status.branch": "true",
    "status.showUntrackedFiles": "no",
    "status.relativePaths": "true",
    "tag.sort": "-creatordate",
    "column.ui": "always",
    "help.autocorrect": "immediate",
    "push.gpgSign": "true",
    "push.followTags": "true",
    "init.defaultBranch": "trunk",
    "gpg.format": "ssh",
    "gpg.program": "/nowhere/gpg",
    "format.pretty": "oneline",
    "submodule.recurse": "true",
}


def told(root: Path) -> dict[str, object]:
    """All that the pipeline asks of git about a project."""
    asked = Git(root)
    return {
        "version": version.resolve(asked, None, ["app"], dirty=True),
        "changed": asked.changed(["."]),
        "files": asked.files("app"),
        "past": list(asked.past(root / "app/main_go")),
        "named": retention.named(asked, root, 3),
        "head": asked.head(),
    }


@pytest.mark.parametrize("name", [*SETTINGS, "all"])
def test_no_setting_of_a_user_changes_what_git_says(
    project: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = '{"image": "app-v1-000000000000"}'
    commit(project, **{"terraform__environments__local.tfvars.json": image, "app__main_go": "changed"})
    (project / "app/ü").write_text("untracked")
    before = told(project)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    for setting in SETTINGS if name == "all" else [name]:
        git(home, "config", "--global", setting, SETTINGS[setting])
    assert told(project) == before
    assert before["named"] == {"app-v1-000000000000"} and before["changed"] == ["app/ü"]


def test_a_setting_of_the_callers_environment_is_kept_where_none_of_ours_is(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"core.quotePath": "true", "user.email": "from@environment.example"}
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(settings)))
    for number, (name, value) in enumerate(settings.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", name)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    asked = ["git", "config", "--get-regexp", "^(core.quotepath|user.email|color.ui)$"]
    said = call(asked, cwd=project, env=variables()).stdout.splitlines()
    assert {"core.quotepath false", "user.email from@environment.example", "color.ui false"} <= set(said)


def test_a_signed_commit_is_read_like_any_other(project: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    for name, value in (("gpg.format", "ssh"), ("user.signingKey", str(key)), ("log.showSignature", "true")):
        git(project, "config", name, value)
    git(project, "config", "commit.gpgsign", "true")
    signed = commit(project, app__main_go="signed")
    assert "BEGIN SSH SIGNATURE" in git(project, "cat-file", "commit", signed)
    assert version.resolve(Git(project), "v1", ["app"], dirty=False) == ("v1", signed)


# ---- writing --------------------------------------------------------------------------------------------------------


def test_one_file_is_committed_and_nothing_else(project: Path) -> None:
    commit(project, terraform__reference="one")
    (project / "terraform/reference").write_text("two")
    (project / "app/main_go").write_text("being worked on")
    git(project, "add", "app")
    made = Git(project).commit(project / "terraform/reference", "Release v2")
    assert git(project, "show", "--format=%s", "--name-only", "--relative", made).split("\n\n") == [
        "Release v2",
        "terraform/reference",
    ]
    assert Git(project).changed(["."]) == ["app/main_go"]


def test_a_ledger_in_git_keeps_all_its_files(project: Path) -> None:
    shelf = GitRefStore(project, "refs/slipway/local/ledger")
    for name in ("one", "two"):
        shelf.add({name: f"text of {name}"}, "A run", "tester")
    assert shelf.names() == ["one", "two"]
    assert shelf.read("one") == "text of one"


# ---- what must not be pruned ---------------------------------------------------------------------------------------


def test_what_any_branch_or_tag_of_the_folder_names_is_protected(project: Path) -> None:
    def release(file: str, image: str) -> None:
        commit(project, **{f"terraform__environments__{file}.tfvars.json": f'{{"image": "{image}"}}'})

    release("local", "app-v1-000000000000")
    git(project, "tag", "--annotate", "old", "--message", "old")
    git(project, "switch", "--quiet", "--create", "side")
    release("staging", "app-side-000000000000")  # a file that only this branch has
    git(project, "switch", "--quiet", "main")
    for number in (2, 3, 4):
        release("local", f"app-v{number}-000000000000")
    if project.name != "repository":
        elsewhere = project.parents[1] / "terraform/environments"
        elsewhere.mkdir(parents=True)
        (elsewhere / "local.tfvars.json").write_text('{"image": "app-other-000000000000"}')
        commit(project.parents[1])
    named = {name.split("-")[1] for name in retention.named(Git(project), project, keep=1)}
    assert named == {"v1", "side", "v4"}
