"""What a command leaves in a folder is an app in any language."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from slipway.errors import PipelineError
from slipway.image import made
from slipway.image.artifact import Kitchen
from slipway.image.made import Made
from slipway.tools.git.git import Git
from tests.unit.slipway.projects import project as described


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    (root / "terraform" / "environments").mkdir(parents=True)
    (root / "shop.py").write_text("print('hello')\n")
    (root / ".gitignore").write_text("secret.env\n.slipway\n")
    (root / "secret.env").write_text("not for the build")
    (root / "terraform" / "environments" / "local.tfvars.json").write_text("{}")
    for words in (["init", "--quiet"], ["add", "."]):
        subprocess.run(["git", *words], cwd=root, check=True)
    return root


def build(root: Path, command: str, version: str = "v1", folder: str = "dist") -> Path:
    kitchen = Kitchen(Git(root), root / ".slipway" / "build", Path, {}, print)
    app = {"build": command, "folder": folder, "command": "/usr/bin/python3 /opt/app/shop.py"}
    return Made.of(described(root, app=app)).make(kitchen, version, "abc")


def test_what_the_command_leaves_is_kept_and_the_project_stays_as_it_is(repository: Path) -> None:
    found = build(repository, 'mkdir dist; cp *.py dist; echo "$VERSION $COMMIT" >dist/version; ls -A >dist/given')
    assert (found / "version").read_text() == "v1 abc\n"
    assert (found / "given").read_text().split() == [".gitignore", "dist", "shop.py"]
    assert not (repository / "dist").exists()


def test_the_same_is_not_made_again_and_other_sources_are(repository: Path) -> None:
    count = repository.parent / "count"
    command = f"echo made >>{count}; mkdir dist; cp shop.py dist"
    first = build(repository, command)
    (repository / "terraform" / "environments" / "local.tfvars.json").write_text('{"live": null}')
    assert build(repository, command) == first
    (repository / "shop.py").write_text("print('hello, world')\n")
    assert build(repository, command) != first
    assert count.read_text().count("made") == 2


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("echo no compiler >&2; exit 3", "failed with exit status 3"),
        ("mkdir dist", "left nothing in dist"),
        ("true", "left"),
    ],
)
def test_a_command_that_fails_or_leaves_nothing_is_a_sentence(repository: Path, command: str, says: str) -> None:
    with pytest.raises(PipelineError, match=says) as error:
        build(repository, command)
    assert "exit 3" not in command or "no compiler" in error.value.hint


def test_a_command_has_an_end(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(made, "BUILD_S", 0.2)
    with pytest.raises(PipelineError, match="had no end after 0 s"):
        build(repository, "sleep 60")


def test_a_command_that_asks_a_question_gets_no_answer(repository: Path) -> None:
    with pytest.raises(PipelineError, match="failed with exit status 1"):
        build(repository, "read answer; mkdir dist; cp shop.py dist")
