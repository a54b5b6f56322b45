"""What turns a function into a verb of the command line: its session, its answer, its failures."""

from __future__ import annotations

import functools
import inspect
import json as jsonlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from slipway.environment.session import Session
from slipway.errors import PipelineError, in_a_sentence
from slipway.progress import Progress
from slipway.redaction import hide
from slipway.runs import ledger
from slipway.text import as_called, visible
from slipway.tools.programs import environment as surroundings
from slipway.tools.programs.children import ended_by_signals
from slipway.tools.programs.process import attach


def _project(start: Path) -> Path:
    """The nearest folder above that has a slipway.toml; the folder itself where there is none."""
    return next((each for each in (start, *start.parents) if (each / "slipway.toml").is_file()), start)


ROOT = _project(Path.cwd())
"""The project's folder."""
ENVIRONMENT_HELP = "the environment; by default local without a token and production with one"


@dataclass(frozen=True)
class Answer:
    """What a verb found: ``text`` for a person, ``data`` for `--json`. ``failed`` makes the exit status 1.

    ``verbatim`` says that a program reads the text, so nothing in it may be spelt out.
    """

    text: str
    data: object = None
    failed: bool = False
    verbatim: bool = False


def verb(*, name: str | None = None, iterable: Sequence[str] = (), json: str = "", **help: str) -> Callable[[Any], Any]:
    """A task whose foreseen failures end in one sentence, a hint and a non-zero exit status.

    What the function returns is shown: a text as it is, an `Answer` as text, or as JSON when `--json` is given, which
    ``json`` describes. A parameter ``session`` makes it a verb of an environment: `--environment` chooses whose session
    is opened for it, which starts the local cloud for an environment that lives there. A parameter ``c`` gets Invoke's
    context. With `--json` a failure too is told as JSON, beside the sentence: an object of ``error`` and ``hint``.
    """

    def decorate(function: Callable[..., Answer | str | None]) -> Any:
        signature = inspect.signature(function, eval_str=True)
        forms = bool(json) and "json" not in signature.parameters  # else it sees to that itself
        offered = _offered(signature, forms)

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> None:
            given = offered.bind(*args, **kwargs).arguments
            as_json = given.pop("json", False) if forms else False
            _say_what_is_ignored()
            with _foreseen(as_json=as_json):
                if "session" in signature.parameters:
                    given["session"] = open_session(given.pop("environment", None))
                answer = function(**{word: given[word] for word in given if word in signature.parameters})
            _show(answer, as_json=as_json)

        run.__signature__ = offered  # type: ignore[attr-defined]
        described = {"json": json, **help} if json else help
        if "session" in signature.parameters:
            described = {"environment": ENVIRONMENT_HELP, **described}
        return task(name=name, help=described, iterable=iterable)(run)

    return decorate


def _offered(signature: Signature, json: bool) -> Signature:
    """What Invoke calls a verb with: its own parameters, and those that stand for its session and its form."""
    own = [each for word, each in signature.parameters.items() if word not in ("c", "session")]
    required = [each for each in own if each.default is Parameter.empty]
    optional = [each for each in own if each.default is not Parameter.empty]
    if "session" in signature.parameters:
        optional.insert(0, _option("environment", None, str | None))
    if json:
        optional.append(_option("json", False, bool))
    context = Parameter("c", Parameter.POSITIONAL_OR_KEYWORD, annotation=Context)
    return Signature([context, *required, *optional])


def _option(name: str, default: object, kind: object) -> Parameter:
    return Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=kind)


def open_session(environment: str | None) -> Session:
    """The session of an environment. Its steps are told to the run that started this program, if one did."""
    return Session(ROOT, os.environ, environment, ledger.continued(os.environ))


@contextmanager
def _foreseen(*, as_json: bool) -> Iterator[None]:
    """Turn failures that are foreseen into exits."""
    try:
        with ended_by_signals(), in_a_sentence():
            yield
    except PipelineError as error:
        if as_json:
            said = {"error": error.message, "hint": error.hint}
            sys.stdout.write(_json({name: as_called(hide(text)) for name, text in said.items()}) + "\n")
        raise exit_with(error.message, error.hint) from error
    except KeyboardInterrupt as error:
        raise Exit(as_called("\n✗ Interrupted. ./invoke status says where things stand."), code=130) from error


def exit_with(message: str, hint: str) -> Exit:
    """The end of a program that failed: a sentence, and in further lines what to do."""
    said = hide("\n".join(["", f"✗ {message}", *(f"  {line}" for line in hint.splitlines())]))
    return Exit(visible(said), code=1)


@functools.cache
def _say_what_is_ignored() -> None:
    """Once, however many verbs stand on the line."""
    if said := surroundings.notice(surroundings.ignored()):
        Progress().say(f"  · {said}")


def _show(answer: Answer | str | None, *, as_json: bool) -> None:
    """A result for a person, or JSON, which has nothing in it that this would change."""
    found = answer if isinstance(answer, Answer) else Answer(answer or "")
    text = _json(found.data) if as_json else found.text
    if text:
        sys.stdout.write(f"{text if found.verbatim else visible(text)}\n")
    if found.failed:
        raise Exit(code=1)


def _json(data: object) -> str:
    return jsonlib.dumps(data, indent=2).replace("\x7f", "\\u007f")  # the one that it leaves as it is


def words_after_dashes() -> list[str]:
    """The words of the command line after `--`, as they were given; Invoke joins them into one text."""
    return sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []


def confirm(session: Session, what: str, otherwise: str) -> None:
    """Have whoever asked for it type the environment's name; raises PipelineError for anything else."""
    name = session.settings.environment
    sys.stderr.write(f"{what} {name} on {session.settings.cloud.endpoint}? Type {name}: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != name:
        raise PipelineError(otherwise, "--yes does not ask.")


def attached(argv: Sequence[str], *passing: Sequence[str]) -> None:
    """Run a program of the project's that a person sees and may interrupt."""
    try:
        with ended_by_signals():
            status = attach(argv, cwd=ROOT, env=surroundings.compose(*passing))
    except KeyboardInterrupt as error:
        raise Exit(code=130) from error
    if status != 0:
        raise Exit(code=1)
