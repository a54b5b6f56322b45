"""What a person may give each verb: refused before the first task begins, with the flag, the rule and an example."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from invoke.exceptions import Exit
from invoke.parser import Parser

import tasks
from slipway.errors import PipelineError
from slipway.verbs import given
from slipway.verbs.command_line import SharingExecutor


def normalized(*words: str) -> dict[str, dict[str, Any]]:
    """The tasks of a command line with their arguments, as they would be executed."""
    parsed = Parser(contexts=tasks.namespace.to_contexts()).parse_argv(list(words))
    return {call.task.name: call.kwargs for call in SharingExecutor(tasks.namespace).normalize(tuple(parsed))}


def refused(*words: str) -> str:
    """What is said of a command line before anything is done."""
    with pytest.raises(Exit) as exit_:
        normalized(*words)
    assert exit_.value.code == 1
    return str(exit_.value.message)


def texts() -> Iterator[tuple[str, str, str]]:
    """Every argument of every verb that is a text: the command line for a %, its name, and how a refusal names it."""
    for context in tasks.namespace.to_contexts():
        others = [each.names[0] for each in context.positional_args]
        for argument in dict.fromkeys(context.args.values()):
            if argument.kind is bool:
                continue
            written = argument.names[0]
            words = [context.name or "", *("%" if each == written else "x1" for each in others)]
            flag = written if argument.positional else f"--{written}"
            yield " ".join(words if argument.positional else [*words, flag, "%"]), argument.name, flag


TEXTS = list(texts())


def test_every_text_of_every_verb_has_a_rule() -> None:
    assert len(TEXTS) > 50
    assert {name for _, name, _ in TEXTS} == set(given.RULES)


@pytest.mark.parametrize(("line", "name", "flag"), TEXTS, ids=[line for line, _, _ in TEXTS])
def test_an_empty_text_is_refused_by_every_verb(line: str, name: str, flag: str) -> None:
    for value in ("", "\u2003\t\n"):
        said = refused(*(word.replace("%", value) for word in line.split(" ")))
        assert f"✗ {flag} is empty." in said and f"Leave {flag} out" in said


def test_nothing_is_built_when_a_later_task_of_the_line_is_refused() -> None:
    assert "✗ --size: 'S-1' cannot be a droplet's size." in refused(
        "build", "deploy", "--version", "v1", "--size", "S-1"
    )
    assert "✗ --version is empty." in refused("build", "deploy", "--version", "")
    assert "✗ The value of APP_MESSAGE is not UTF-8" in refused("build", "deploy", "--set", "APP_MESSAGE=caf\udce9")
    assert "✗ --set PORT has no value." in refused("build", "deploy", "--set", "PORT")
    assert "✗ 'app' cannot be the name of a setting." in refused("build", "deploy", "--set", "app=x")
    assert "✗ --set A is given twice." in refused("build", "deploy", "--set", "A=1", "--set", "A=2")


LOOKALIKES = ("v\u0430", "\uff561", "v1\u200b", "v1\u00a0", "v\u0661", "v1\u2024", "v1\u2010x")
NAMES = (
    "-v1",
    "--",
    "../v1",
    "..",
    ".",
    "a/b",
    "a\\b",
    "a b",
    " v1",
    "v1 ",
    "v1\n",
    "$HOME",
    "`id`",
    "a;b",
    "caf\udce9",
    "a\0b",
)
LONG = "v" * 300


@pytest.mark.parametrize("value", [*NAMES, *LOOKALIKES, LONG])
@pytest.mark.parametrize(
    "name", ["version", "environment", "size", "release", "address", "run", "max_gap", "older_than"]
)
def test_what_is_no_name_is_refused_with_the_rule(name: str, value: str) -> None:
    if (name, value) == ("environment", LONG):
        return  # a file of that name might be there
    with pytest.raises(PipelineError) as error:
        given.check({name: value}, {name: f"--{name}"})
    assert error.value.message.startswith(f"--{name}: ") and error.value.hint
    assert error.value.message.isascii() and "\n" not in error.value.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("version", "v1.2.0-rc1"),
        ("version", "2026.11.28"),
        ("version", "v1-dirty"),
        ("environment", "local-2"),
        ("size", "so1_5-2vcpu-16gb"),
        ("size", "c-2"),
        ("release", "v1.2.0-17db1d13"),
        ("address", "198.18.13.120"),
        ("max_gap", "500ms"),
        ("soak", "1.5m"),
        ("older_than", "7d"),
        ("keep", "5"),
        ("dump", "local-20261128T101340Z.dump"),
        ("droplet", "app-local-v1-17db1d13"),
        ("before", "app-v1.0-0123456789ab"),
        ("force", "it's the reason: “why” \U0001f600 e\u0301"),
        ("to", "/var/backups/ä folder"),
        ("command", "echo one\necho two"),
        ("set", "APP_MESSAGE=${x} \n \x80"),
    ],
)
def test_what_people_give_is_taken(name: str, value: str) -> None:
    given.check({name: [value] if name == "set" else value}, {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("environment", "Production"),
        ("environment", "prod-"),
        ("environment", "a--b"),
        ("environment", "2nd"),
        ("address", "198.18.13"),
        ("address", "::1"),
        ("address", "198.18.013.120"),
        ("keep", "-1"),
        ("keep", "\u0663"),
        ("keep", "9" * 10),
        ("max_lost", "1.0"),
        ("dump", "../other.dump"),
        ("dump", ".hidden"),
        ("force", "two\nlines"),
        ("force", "\x1b[31mred"),
        ("force", "x" * 501),
        ("to", "a\0b"),
        ("html", "a\nb"),
        ("command", "a\0b"),
        ("only", "Unit"),
    ],
)
def test_other_texts_are_refused(name: str, value: str) -> None:
    with pytest.raises(PipelineError) as error:
        given.check({name: value}, {})
    assert error.value.hint


def test_a_number_is_of_ascii_digits() -> None:
    assert (given.count("5"), given.count(0), given.count(None)) == (5, 0, None)
