"""Packer as the pipeline holds it: told in lines, ended for a reason, and not left running."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from slipway.errors import PipelineError
from slipway.tools import packer
from slipway.tools.packer import Packer
from tests.support import is_running, until

# What packerpy imports to read HCL, which nobody here does.
pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_.*:DeprecationWarning")

Make = Callable[[str], Packer]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A Packer whose `build` is a piece of shell; its process number is in the file `pid`."""

    def script(build: str) -> Packer:
        path = tmp_path / "packer"
        path.write_text(f'#!/bin/sh\n[ "$1" = build ] || exit 0\necho $$ >{tmp_path}/pid\n{build}\n')
        path.chmod(0o755)
        return Packer(path, {})

    return script


def packer_is_running(folder: Path) -> bool:
    return is_running(int((folder / "pid").read_text()))


def test_its_lines_are_handed_over(make: Make, tmp_path: Path) -> None:
    lines: list[str] = []
    make("echo first; echo second >&2").build(tmp_path, {}, lines.append)
    assert lines == ["first", "second"]


def test_a_build_that_fails_is_no_image(make: Make, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="Packer's build failed"):
        make("exit 3").build(tmp_path, {}, print)


@pytest.mark.parametrize("build", ["sleep 60", "trap '' TERM; sleep 60 & wait; sleep 60"])
def test_a_build_that_cannot_succeed_any_more_is_ended(
    make: Make, tmp_path: Path, build: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packer, "_GRACE", 0.5)
    start = time.monotonic()
    with pytest.raises(PipelineError, match="The snapshot errored"):
        make(build).build(tmp_path, {}, print, trouble=lambda: "The snapshot errored.", every=0.3)
    assert time.monotonic() - start < 20 and not packer_is_running(tmp_path)


def test_what_a_killed_one_started_does_not_stay(make: Make, tmp_path: Path) -> None:
    # The child has closed what Packer shares with the pipeline, as its plugins have.
    plugin = f"sh -c 'echo $$ >{tmp_path}/pid; exec sleep 60' >/dev/null 2>&1 &"
    with pytest.raises(PipelineError, match="Packer's build failed"):
        make(f"{plugin} sleep 0.5; kill -KILL $$").build(tmp_path, {}, print)
    until(lambda: not packer_is_running(tmp_path), 5)


def test_it_does_not_outlive_the_pipeline(make: Make, tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        make("exec sleep 60").build(tmp_path, {}, lambda line: None)
        os._exit(0)
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), 20)
    os.kill(child, 9)
    os.waitpid(child, 0)
    until(lambda: not packer_is_running(tmp_path), 20)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # packerpy leaves its pipe open then
def test_bytes_that_are_no_text_end_it_with_a_sentence(make: Make, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="bytes that are not UTF-8"):
        make("printf 'caf\\351\\n'; exec sleep 60").build(tmp_path, {}, print)
    gc.collect()
    assert not packer_is_running(tmp_path)


def test_one_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="Packer cannot be run"):
        Packer(tmp_path / "none", {}).build(tmp_path, {}, print)
