"""What the verbs make of a command line, and of what fails."""

from __future__ import annotations

import errno
import json
import re
from typing import Any

import pytest
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.parser import Parser

import tasks
from slipway.errors import PipelineError
from slipway.verbs import given
from slipway.verbs.command_line import SharingExecutor
from slipway.verbs.verb import ROOT, Answer, verb


def calls(*words: str) -> dict[str, dict[str, Any]]:
    """The tasks of a command line with their arguments, as they would be executed."""
    parsed = Parser(contexts=tasks.namespace.to_contexts()).parse_argv(list(words))
    return {call.task.name: call.kwargs for call in SharingExecutor(tasks.namespace).normalize(tuple(parsed))}


def test_tasks_on_one_line_share_the_version() -> None:
    found = calls("build", "deploy", "--version", "v2", "--no-standby")
    assert found["build"]["version"] == found["deploy"]["version"] == "v2"
    assert found["deploy"]["no_standby"]


@pytest.mark.parametrize("verb", sorted(set(tasks.namespace.task_names) - {"diff", "rotate"}))
def test_a_verb_without_a_flag_is_refused_for_none(verb: str) -> None:
    """Empty texts are refused, and the default of a flag is none."""
    assert verb.startswith("cloud.") or calls(verb)


def test_they_share_environment_and_dirtiness_as_well() -> None:
    found = calls("build", "--dirty", "--environment", "staging", "deploy")
    assert found["deploy"]["dirty"] and found["deploy"]["environment"] == "staging"


def test_what_was_given_to_each_stays() -> None:
    found = calls("build", "--version", "v1", "deploy", "--version", "v2")
    assert (found["build"]["version"], found["deploy"]["version"]) == ("v1", "v2")


def test_a_setting_may_be_given_more_than_once() -> None:
    found = calls("deploy", "--set", "A=1", "--set", "B=x=y")
    assert given.settings(found["deploy"]["set"]) == {"A": "1", "B": "x=y"}


def test_the_readme_has_every_verb() -> None:
    table = (ROOT / "README.md").read_text().partition("## Verbs")[2]
    named = {name: [name, *others] for name, others in tasks.namespace.task_names.items()}
    assert len(named) > 20
    assert [name for name, names in named.items() if not any(re.search(rf"`{each}[ `]", table) for each in names)] == []


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (PipelineError("It broke.", "Mend it.\nThen try again."), "\n✗ It broke.\n  Mend it.\n  Then try again."),
        (OSError(errno.ENOSPC, "No space left on device", "/some/file"), "\n✗ The disk is full: /some/file.\n  df -h"),
        (PermissionError(errno.EACCES, "Permission denied", "/f"), "\n✗ The machine refused: Permission denied: /f."),
    ],
)
def test_a_foreseen_failure_is_a_sentence_and_a_hint(error: Exception, says: str) -> None:
    @verb()
    def failing() -> None:
        raise error

    with pytest.raises(Exit) as exit_:
        failing(Context())
    assert (exit_.value.message, exit_.value.code) == (says, 1)


def test_a_failure_is_json_where_json_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    @verb(json="as JSON")
    def failing() -> Answer:
        raise PipelineError("It said\n“no\x1b”.", "Mend it.")

    with pytest.raises(Exit, match="It said"):
        failing(Context())
    assert capsys.readouterr().out == ""
    with pytest.raises(Exit, match="It said") as ended:
        failing(Context(), json=True)
    assert json.loads(capsys.readouterr().out) == {"error": "It said\n“no\x1b”.", "hint": "Mend it."}
    assert ended.value.code == 1
