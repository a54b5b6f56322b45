"""What `./invoke update` renews: Python's lock, the app's Go modules, the pins of the workflows' actions.

The tools under `toolchain/` are left: the version of each is a choice, and `slipway/tools/toolchain.py` has it too.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from slipway.errors import PipelineError
from slipway.progress import Progress
from slipway.tools.programs.environment import DOWNLOADS, compose
from slipway.tools.programs.process import run
from slipway.tools.toolchain import Toolchain

ACTIONS = "https://github.com"
_PIN = re.compile(
    r"uses: (?P<action>[\w.-]+/[\w./-]+)@(?P<commit>[0-9a-f]{40})(?P<note>.*?)# v(?P<version>[0-9][0-9.]*)"
)
_TAG = re.compile(r"^([0-9a-f]{40})\trefs/tags/v([0-9]+(?:\.[0-9]+){0,2})(\^\{\})?$", re.MULTILINE)
_COMPILE = ("--generate-hashes", "--allow-unsafe", "--strip-extras", "--no-header", "--no-emit-index-url")
_QUIET = ("--no-emit-trusted-host", "--no-emit-find-links", "--upgrade", "--quiet")


def update(root: Path, toolchain: Toolchain, progress: Progress) -> None:
    """Renew all of it; raises PipelineError when a registry cannot be reached. What has changed is git's to tell."""
    with progress.step("renew requirements.lock"):
        words = [sys.executable, "-m", "piptools", "compile", *_COMPILE, *_QUIET]
        run([*words, "--output-file=requirements.lock", "requirements.in"], cwd=root, env=compose(DOWNLOADS))
    with progress.step("renew app/go.mod"):
        for words in (["get", "-u", "-t", "./..."], ["mod", "tidy"]):
            env = {**compose(DOWNLOADS), **toolchain.environment("go"), "GOFLAGS": "-mod=mod"}
            run([str(toolchain.go()), *words], cwd=root / "app", env=env)
    for path in sorted((root / ".github" / "workflows").glob("*.yml")):
        with progress.step(f"renew the actions of {path.name}"):
            text = path.read_text()
            new = repinned(text, lambda action: _tags(f"{ACTIONS}/{action}", root))
            if new != text:
                path.write_text(new)


def repinned(text: str, tags: Callable[[str], str]) -> str:
    """A workflow with each pinned action at the newest tag of its major version.

    ``tags`` gives what `git ls-remote --tags` says of an action.
    """

    def newer(match: re.Match[str]) -> str:
        found = newest(tags(match["action"]), int(match["version"].split(".")[0]))
        if found is None or _number(found[1]) <= _number(match["version"]):
            return match[0]
        return f"uses: {match['action']}@{found[0]}{match['note']}# v{found[1]}"

    return _PIN.sub(newer, text)


def newest(listed: str, major: int) -> tuple[str, str] | None:
    """Commit and version of the newest whole tag of a major version; of an annotated tag the commit that it is on."""
    commits: dict[str, str] = {}
    for commit, version, peeled in _TAG.findall(listed):
        if peeled or version not in commits:
            commits[version] = commit
    whole = [version for version in commits if version.count(".") == 2 and int(version.split(".")[0]) == major]
    best = max(whole, key=_number, default=None)
    return (commits[best], best) if best else None


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _tags(url: str, root: Path) -> str:
    try:
        return run(["git", "ls-remote", "--tags", url], cwd=root, env=compose(DOWNLOADS))
    except PipelineError as error:
        raise PipelineError(
            f"The tags of {url} cannot be read: {error.hint or error.message}", "Is it reachable?"
        ) from error
