"""`slipway init`: a few questions, and the files with which a repository is released. It never overwrites."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from slipway.config import ENVIRONMENTS
from slipway.data import Malformed
from slipway.environment.reference import Reference
from slipway.errors import PipelineError
from slipway.project import FILE, Project
from slipway.scaffold import shape
from slipway.scaffold.shape import Shape

Ask = Callable[[str, str], str]
"""A question and the answer that is taken where there is none; gives the answer."""
PORT = 8080
_EXAMPLE = '# NAME = "value"; {port}, {url} and {database_url} are filled in.'


@dataclass(frozen=True)
class Choice:
    """What is to be released, as it was found and answered."""

    name: str
    shape: Shape
    package: str
    port: int
    health: str
    region: str


def choose(root: Path, found: Shape, ask: Ask) -> Choice:
    """At most five questions. Raises PipelineError for a repository in which nothing is found that could be started."""
    if not found.programs and not found.command:
        raise PipelineError(
            "Nothing is found here that could be started: no main package of Go's, no Procfile and no Dockerfile.",
            "Write slipway.toml by hand: docs/your-app.md has an example for each kind of app.",
        )
    name = ask("The project's name", _slug(root.name))
    package = shape.best(found.programs, root.name) if found.programs else ""
    if len(found.programs) > 1:
        package = ask(f"Which program ({', '.join(found.programs)})", package)
    port = ask("The port that it listens on", str(found.port or PORT))
    health = ask("A path that answers 200 when it is ready, or nothing", found.health)
    region = ask("The region", "fra1")
    if not port.isdecimal():
        raise PipelineError(f"{port!r} is not a port.", "A number from 1 to 65535.")
    return Choice(name, found, package, int(port), health, region)


def texts(choice: Choice) -> dict[str, str]:
    """What is written, by path."""
    empty = Reference().dump()
    return {
        FILE: _settings(choice),
        f"{ENVIRONMENTS}/local.tfvars.json": empty,
        f"{ENVIRONMENTS}/production.tfvars.json": empty,
    }


def write(root: Path, wanted: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Write what is not there, and the line of .gitignore; returns what was written, and how what is there differs."""
    _check(root, wanted[FILE])
    written, differs = list[str](), list[str]()
    for name, text in wanted.items():
        path = root / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            written.append(name)
        elif name == FILE and (there := path.read_text()) != text:
            names = (f"{name}, as it is", f"{name}, as found")
            differs += difflib.unified_diff(there.splitlines(), text.splitlines(), *names, lineterm="", n=0)
    ignored = root / ".gitignore"
    lines_of = ignored.read_text().splitlines() if ignored.exists() else []
    if not {".slipway", ".slipway/", "/.slipway/", "/.slipway"} & set(lines_of):
        ignored.write_text("\n".join([*lines_of, ".slipway/"]) + "\n")
        written.append(".gitignore")
    return written, differs


def _check(root: Path, text: str) -> None:
    """Raise PipelineError for answers that no slipway.toml can hold."""
    try:
        Project.of(root, tomllib.loads(text))
    except Malformed as error:
        raise PipelineError(f"That cannot be written into slipway.toml: {error}.", "Nothing was written.") from error


def _settings(choice: Choice) -> str:
    found, app = choice.shape, list[str]()
    if choice.package:
        app.append(f"package = {_toml(choice.package)}")
        if not found.stamps:
            app += ["# -X main.version={version} would set a variable of the program.", 'ldflags = ""']
    else:
        if found.build:
            app += [f"build = {_toml(found.build)}", f"folder = {_toml(found.folder)}"]
        app.append(f"command = {_toml(found.command)}")
        if found.packages:
            app.append(f"packages = {json.dumps(list(found.packages))}")
    app.append(f"port = {choice.port}")
    app.append(f"health = {_toml(choice.health)}" if choice.health else '# health = "/healthz"')
    settings = {"PORT": "{port}", **found.settings} if found.reads_port or not choice.package else dict(found.settings)
    tables = [
        f"[project]\n# Part of every name and tag in the account. It stays.\nname = {_toml(choice.name)}",
        '[image]\nbase = "debian-12-x64"',
        f'[droplet]\nregion = {_toml(choice.region)}\nsize = "s-1vcpu-1gb"',
        "[verification]\n# Seconds that a new droplet has to become what it should be.\ndeadline = 60",
        "\n".join(["[app]", *app]),
        "\n".join(["[app.settings]", *_pairs(settings), *([] if settings else [_EXAMPLE])]),
        *(["\n".join(["[app.loosen]", *_pairs(found.loosen)])] if found.loosen else []),
    ]
    return "\n\n".join(["# What slipway needs to know: docs/your-app.md of slipway says more.", *tables]) + "\n"


def _pairs(values: Mapping[str, str]) -> Sequence[str]:
    return [f"{name} = {_toml(value)}" for name, value in values.items()]


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).lstrip("-0123456789")[:12].strip("-") or "app"
