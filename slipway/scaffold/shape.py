"""What a repository is, by what lies in it: a program in Go, or what Procfile, Dockerfile or package.json start."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from slipway.tools.git.git import Git

HEALTH = (
    *("/health/ready", "/readyz", "/ready", "/healthz", "/health", "/healthcheck", "/-/healthy", "/api/health"),
    *("/livez", "/health/live", "/up", "/ping"),
)
"""Paths that apps usually answer when they are well, the best first."""
_CODE = {".go", ".py", ".js", ".mjs", ".cjs", ".ts", ".rb", ".php", ".rs", ".java", ".kt"}
_NOT_THE_APP = {"vendor", "node_modules", "testdata", "examples", "example", "third_party", "docs", "test", "tests"}
_MOST_BYTES = 1 << 20
_PORTS = (
    r"""ListenAndServe\(\s*"[^":]*:(\d{2,5})""",
    r"""\.Run\(\s*"[^":]*:(\d{2,5})""",
    r"""listen\(\s*(?:process\.env\.PORT\s*\|\|\s*)?(\d{2,5})""",
    r"""["'](?:PORT|port)["']\s*,\s*["']?:?(\d{2,5})""",
    r"""port\s*=\s*(\d{4,5})""",
)
_READS_PORT = re.compile(
    r"""(?:Getenv|LookupEnv|getenv|environ\.get|env\.get|ENV\.fetch)\(\s*["']PORT["']"""
    r"""|environ\[["']PORT|env\.PORT\b|ENV\[["']PORT"""
)
_STAMPED = re.compile(r"^var\s+(?:\(\s*)?version\b|^\s+version\s+(?:string\s+)?=\s+\"", re.MULTILINE)
_PROGRAMS = {
    "python": "/usr/bin/python3",
    "python3": "/usr/bin/python3",
    "node": "/usr/bin/node",
    "npm": "/usr/bin/npm",
    **{name: f"/usr/bin/python3 -m {name}" for name in ("gunicorn", "uvicorn", "flask", "hypercorn")},
}
"""Where Debian has the programs that people start apps with."""


@dataclass(frozen=True)
class Shape:
    """What was found. ``programs`` are Go's main packages, of which one is to be chosen; ``kind`` names it for people.

    ``port`` is 0 and ``health`` empty where nothing tells them. ``stamps`` says whether the program has a variable for
    its version, ``reads_port`` whether it asks for PORT.
    """

    kind: str = ""
    programs: tuple[str, ...] = ()
    build: str = ""
    folder: str = ""
    command: str = ""
    packages: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    loosen: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    reads_port: bool = False
    health: str = ""
    stamps: bool = False


def look(git: Git) -> Shape:
    """The shape of a repository, by the files that git knows; ``kind`` is empty for one that none of these fits."""
    files = {str(path.relative_to(git.root)): path for path in git.files(".")}
    code = _code(files)
    found = _go(files, code) or _python(files) or _node(files) or Shape()
    started = _procfile(files) or _entrypoint(files)
    if not found.programs and started:
        found = replace(
            found, kind=found.kind or "an app that its Procfile or Dockerfile starts", command=_whole(started)
        )
    texts = list(code.values())
    return replace(
        found,
        port=_exposed(files) or _port(texts),
        reads_port=any(_READS_PORT.search(text) for text in texts) or "$PORT" in started,
        health=_health(texts),
        stamps=any(_STAMPED.search(text) for text in texts),
    )


def best(programs: Iterable[str], name: str) -> str:
    """Which of several programs is most likely what is to be released: one called like the repository, or a server."""
    ranks = (f"./cmd/{name}", ".", "./cmd/server", "./cmd/web", "./cmd/api", "./cmd/app", "./server")
    listed = sorted(programs)
    return next((each for each in ranks if each in listed), listed[0])


def _code(files: Mapping[str, Path]) -> dict[str, str]:
    """The sources of the app, but its tests."""
    found = {}
    for name, path in files.items():
        parts = set(Path(name).parts[:-1])
        tested = path.stem.endswith(("_test", ".test", ".spec")) or path.stem.startswith("test_")
        if path.suffix in _CODE and not parts & _NOT_THE_APP and not tested and path.stat().st_size < _MOST_BYTES:
            found[name] = path.read_text(errors="replace")
    return found


def _go(files: Mapping[str, Path], code: Mapping[str, str]) -> Shape | None:
    modules = [Path(name).parent for name in files if Path(name).name == "go.mod"]
    programs = {
        str(Path(name).parent)
        for name, text in code.items()
        if name.endswith(".go")
        and re.search(r"^package main\b", text, re.MULTILINE)
        and re.search(r"^func main\(\)", text, re.MULTILINE)
        and any(Path(name).is_relative_to(module) for module in modules)
    }
    named = tuple(sorted("." if folder == "." else f"./{folder}" for folder in programs))
    return Shape("a program in Go", programs=named) if named else None


def _python(files: Mapping[str, Path]) -> Shape | None:
    if not {"requirements.txt", "pyproject.toml", "setup.py"} & files.keys():
        return None
    wanted = "-r requirements.txt" if "requirements.txt" in files else "."
    tops = sorted({Path(name).parts[0] for name in files if name.endswith(".py")} - _NOT_THE_APP - {"setup.py", "dist"})
    build = f"python3 -m pip install --quiet --target dist {wanted} && cp -r {shlex.join(tops)} dist/"
    return Shape(
        "an app in Python",
        build=build,
        folder="dist",
        packages=("python3",),
        settings={"PYTHONPATH": "/opt/app", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"},
    )


def _node(files: Mapping[str, Path]) -> Shape | None:
    if "package.json" not in files:
        return None
    try:
        package = json.loads(files["package.json"].read_text())
    except ValueError:
        package = {}
    scripts = package.get("scripts") if isinstance(package, dict) else None
    started = str(scripts.get("start", "")) if isinstance(scripts, dict) else ""
    install = "npm ci --omit=dev" if "package-lock.json" in files else "npm install --omit=dev"
    words = started.split()
    return Shape(
        "an app for Node.js",
        build=f"{install} && mkdir .app && cp -r $(ls) .app/ && mv .app dist",
        folder="dist",
        command=_whole(started) if words[:1] == ["node"] else "/usr/bin/npm start",
        packages=("nodejs",) if words[:1] == ["node"] else ("nodejs", "npm"),
        loosen={"MemoryDenyWriteExecute": "V8 compiles at run time"},
    )


def _procfile(files: Mapping[str, Path]) -> str:
    text = files["Procfile"].read_text(errors="replace") if "Procfile" in files else ""
    found = re.search(r"^web:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def _entrypoint(files: Mapping[str, Path]) -> str:
    """The command of the Dockerfile's last stage."""
    text = files["Dockerfile"].read_text(errors="replace") if "Dockerfile" in files else ""
    said = ""
    for word in ("ENTRYPOINT", "CMD"):
        for found in re.findall(rf"^{word}\s+(.+)$", text, re.MULTILINE)[-1:]:
            try:
                said += " " + shlex.join(json.loads(found))
            except (ValueError, TypeError):
                said += " " + found
    return said.strip()


def _exposed(files: Mapping[str, Path]) -> int:
    text = files["Dockerfile"].read_text(errors="replace") if "Dockerfile" in files else ""
    found = re.findall(r"^EXPOSE\s+(\d{2,5})", text, re.MULTILINE)
    return _fit(found[-1]) if found else 0


def _port(texts: Iterable[str]) -> int:
    for text in texts:
        for pattern in _PORTS:
            if found := re.search(pattern, text):
                return _fit(found[1])
    return 0


def _fit(text: str) -> int:
    return int(text) if 0 < int(text) < 1 << 16 else 0


def _health(texts: Iterable[str]) -> str:
    said = "\n".join(texts)
    return next((path for path in HEALTH if re.search(rf"""["'`]{re.escape(path)}/?["'`]""", said)), "")


def _whole(command: str) -> str:
    """A command as a unit of systemd's has it: with a whole path, and variables in braces."""
    command = re.sub(r"\$([A-Z_]+)\b", r"${\1}", command)
    program, _, rest = command.partition(" ")
    own = program if program.startswith("/") else f"/opt/app/{program.removeprefix('./')}"
    path = _PROGRAMS.get(program, own)
    return f"{path} {rest}".strip()
