"""What `slipway init` writes, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from slipway.errors import PipelineError
from slipway.project import Project
from slipway.scaffold import init
from slipway.scaffold.shape import Shape

GO = Shape("a program in Go", programs=("./cmd/server", "./cmd/worker"), port=3000, health="/healthz", reads_port=True)
PYTHON = Shape(
    "an app in Python",
    build="cp -r shop dist",
    folder="dist",
    command='/usr/bin/python3 -m shop "--name=a b"',
    packages=("python3",),
    settings={"PYTHONPATH": "/opt/app"},
    loosen={"MemoryDenyWriteExecute": "it compiles"},
)


def taken(question: str, answer: str) -> str:
    return answer


def written(root: Path, found: Shape, ask: init.Ask = taken) -> tuple[list[str], list[str]]:
    return init.write(root, init.texts(init.choose(root, found, ask)))


def test_what_is_written_is_a_project(tmp_path: Path) -> None:
    root = tmp_path / "My_Shop"
    root.mkdir()
    files, differs = written(root, GO)
    names = ["slipway.toml", *(f"terraform/environments/{name}.tfvars.json" for name in ("local", "production"))]
    assert (files, differs) == ([*names, ".gitignore"], [])
    project = Project.load(root)
    assert (project.name, project.app.package, project.app.port) == ("my-shop", "./cmd/server", 3000)
    assert (project.app.health, project.app.ldflags, project.app.settings) == ("/healthz", "", {"PORT": "{port}"})


def test_an_app_in_another_language_keeps_its_command(tmp_path: Path) -> None:
    written(tmp_path, PYTHON)
    app = Project.load(tmp_path).app
    assert (app.build, app.command, app.packages) == (PYTHON.build, PYTHON.command, ("python3",))
    assert app.loosen == PYTHON.loosen and app.settings == {"PORT": "{port}", "PYTHONPATH": "/opt/app"}


def test_at_most_five_questions_are_asked_and_answers_count(tmp_path: Path) -> None:
    asked: list[str] = []
    answers = iter(["kiosk", "./cmd/worker", "9000", "", "ams3"])

    def ask(question: str, answer: str) -> str:
        asked.append(question)
        return next(answers)

    written(tmp_path, GO, ask)
    project = Project.load(tmp_path)
    assert len(asked) == 5
    assert (project.name, project.app.package, project.app.port) == ("kiosk", "./cmd/worker", 9000)
    assert (project.app.health, project.droplet.region) == ("", "ams3")


def test_nothing_is_overwritten_and_what_differs_is_said(tmp_path: Path) -> None:
    written(tmp_path, GO)
    before = (tmp_path / "slipway.toml").read_text()
    assert written(tmp_path, GO) == ([], [])
    (tmp_path / "terraform/environments/local.tfvars.json").write_text("mine")
    files, differs = written(tmp_path, Shape("a program in Go", programs=(".",), port=4000))
    assert files == [] and "+port = 4000" in differs and "-port = 3000" in differs
    assert (tmp_path / "slipway.toml").read_text() == before
    assert (tmp_path / "terraform/environments/local.tfvars.json").read_text() == "mine"
    assert (tmp_path / ".gitignore").read_text() == ".slipway/\n"


def test_a_gitignore_gets_one_line_more(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("dist\n")
    written(tmp_path, GO)
    assert (tmp_path / ".gitignore").read_text() == "dist\n.slipway/\n"


@pytest.mark.parametrize(("answers", "says"), [(["My Shop"], "project.name is"), (["shop", ".", "x"], "is not a port")])
def test_an_answer_that_cannot_be_writes_nothing(tmp_path: Path, answers: list[str], says: str) -> None:
    given = iter(answers)
    with pytest.raises(PipelineError, match=says):
        written(tmp_path, GO, lambda question, answer: next(given, answer))
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_started_the_sentence_says_so(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="Nothing is found here that could be started"):
        written(tmp_path, Shape())
