"""What `check` runs: every linter, formatter and type checker of the project, as data."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from slipway.errors import PipelineError
from slipway.tools.git.git import variables
from slipway.tools.programs import host
from slipway.tools.programs.environment import DOWNLOADS, STATE, compose
from slipway.tools.programs.process import call, run
from slipway.tools.terraform import provider
from slipway.tools.toolchain import RELEASE_TOOLS, Toolchain

PYTHON = ("slipway", "localocean", "devtools", "provisioning", "tests", "bench", "tasks.py")


@dataclass(frozen=True)
class Check:
    """One program, run in ``folder``. It passes when it exits with 0 (if ``silent``, without a word)."""

    name: str
    argv: Sequence[str]
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)
    silent: bool = False


def plan(root: Path, toolchain: Toolchain) -> list[Check]:
    """All checks of the checkout, quick ones first."""
    return [*_python(root), *_shell(root), *_go(root, toolchain), *_infrastructure(root, toolchain)]


def check(root: Path, toolchain: Toolchain, say: Callable[[str], None]) -> None:
    """Run every check, one line each; raises PipelineError that names those that failed."""
    host.ensure_packages(["shellcheck"], say)
    toolchain.ensure((*RELEASE_TOOLS, "actionlint"), say)
    failed = [check.name for check in plan(root, toolchain) if not _passes(check, say)]
    if failed:
        raise PipelineError(f"Checks failed: {', '.join(failed)}.")


def _passes(check: Check, say: Callable[[str], None]) -> bool:
    start = time.monotonic()
    result = call(check.argv, cwd=check.folder, env=check.env)
    passed = result.returncode == 0 and not (check.silent and result.stdout.strip())
    say(f"  {'✓' if passed else '✗'} {check.name} · {time.monotonic() - start:.1f} s")
    if not passed:
        say(f"{result.stdout}{result.stderr}".strip())
    return passed


def _python(root: Path) -> Iterable[Check]:
    module = (sys.executable, "-m")
    yield Check("ruff check", (*module, "ruff", "check", *PYTHON), root)
    yield Check("ruff format", (*module, "ruff", "format", "--check", *PYTHON), root)
    yield Check("mypy", (*module, "mypy", *PYTHON), root)


def _shell(root: Path) -> Iterable[Check]:
    yield Check("shellcheck", ("shellcheck", *_scripts(root)), root)


def _scripts(root: Path) -> list[str]:
    """The tracked files that are shell scripts by name or first line."""
    names = run(["git", "ls-files", "-z"], cwd=root, env=variables()).split("\0")
    return [name for name in names if name.endswith(".sh") or _starts_as_script(root / name)]


def _starts_as_script(path: Path) -> bool:
    if path.suffix or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.readline(80).rstrip() in {b"#!/bin/sh", b"#!/bin/bash", b"#!/usr/bin/env bash"}


def _go(root: Path, toolchain: Toolchain) -> Iterable[Check]:
    app, env, go = root / "app", toolchain.environment("go"), toolchain.go()
    yield Check("gofmt", (str(go.with_name("gofmt")), "-l", "."), app, env, silent=True)
    yield Check("go vet", (str(go), "vet", "./..."), app, env)


def _infrastructure(root: Path, toolchain: Toolchain) -> Iterable[Check]:
    yield Check("actionlint", (str(toolchain.actionlint()), "-no-color"), root)
    zizmor = str(Path(sys.executable).with_name("zizmor"))
    yield Check("zizmor", (zizmor, "--offline", "--no-progress", "--color=never", "--quiet", ".github"), root)
    packer, env = str(toolchain.packer()), toolchain.environment("packer")
    yield Check("packer fmt", (packer, "fmt", "-check", "-diff", "-recursive", "."), root / "packer", env)
    values = [f"-var={name}={value}" for name, value in _bake(root).items()]
    env |= {"DIGITALOCEAN_TOKEN": "of no use"}
    yield Check("packer validate", (packer, "validate", *values, "."), root / "packer", env)
    tofu, env = str(toolchain.tofu()), toolchain.environment("opentofu")
    app, lock = root / "terraform", toolchain.provider_lock
    yield Check("terraform fmt", (tofu, "fmt", "-check", "-diff", "-recursive"), app, env)
    for folder in (app, app / "database"):
        name, copy = str(folder.relative_to(root)), _copy(root, folder, lock)
        options = ["-lockfile=readonly"] if lock else []
        init = (tofu, "init", "-backend=false", "-input=false", "-no-color", *options)
        yield Check(f"{name} init", init, copy, {**compose(DOWNLOADS, STATE), **env, "TF_IN_AUTOMATION": "1"})
        yield Check(f"{name} validate", (tofu, "validate", "-no-color"), copy, env)


def _copy(root: Path, module: Path, lock: Path | None) -> Path:
    """A copy of a root module to initialize: what an engine writes beside its files is not the project's."""
    copy = root / ".slipway" / "check" / module.name
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(parents=True)
    for path in module.glob("*.tf"):
        shutil.copyfile(path, copy / path.name)
    if lock and lock.exists():
        shutil.copyfile(lock, copy / provider.WORKING_LOCK)
    return copy


def _bake(root: Path) -> dict[str, str]:
    """Values for the variables of the bake that have no default; any file that exists does for the paths."""
    file = str(root / "LICENSE")
    names = {"image_name": "v0", "version": "v0", "commit": "0000000", "digest": "000000000000"}
    names |= {"droplet_name": "check", "droplet_tags": '["check"]'}
    places = {"provisioning_dir": str(root / "provisioning"), "user_data_file": file}
    places |= {"manifest": file, "contents": file}
    return {**names, **places, "region": "nyc3", "test_command": "true"}
