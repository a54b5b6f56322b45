"""`./invoke` hands over at once when the environment is right, and says one sentence when it cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose environment is right and whose Python is an echo; its folder's name has a blank."""
    checkout = tmp_path / "a checkout"
    (checkout / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(ROOT / "invoke", checkout)
    (checkout / "requirements.lock").write_text("nothing==1\n")
    program(checkout / ".venv" / "bin" / "python", 'echo "$PWD"; for word; do echo "[$word]"; done')
    program(checkout / ".venv" / "bin" / "invoke", "exit 0")
    stamp = subprocess.run(
        ["cksum"], input=f"{checkout}\nnothing==1\n".encode(), capture_output=True, check=True
    ).stdout
    (checkout / ".venv" / ".stamp").write_bytes(stamp)
    return checkout


def program(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def start(
    wrapper: Path | str, *words: str, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **(env or {})}
    return subprocess.run([wrapper, *words], cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_hands_over_words_as_they_are_from_any_folder(checkout: Path, tmp_path: Path) -> None:
    link, chain = tmp_path / "link", tmp_path / "chain"
    link.symlink_to("a checkout/invoke")
    chain.symlink_to(link)
    for wrapper, cwd in (("./invoke", checkout), (checkout / "invoke", Path("/")), (chain, Path("/"))):
        result = start(wrapper, "deploy", "--version", "v 1", cwd=cwd)
        handed = ["[-ESs]", "[-X]", "[utf8]", "[start.py]", "[deploy]", "[--version]", "[v 1]"]
        assert result.stdout.splitlines() == [str(checkout), *handed], result.stderr


def test_an_exported_cdpath_leads_nowhere_else(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "a checkout").mkdir(parents=True)
    result = start("a checkout/invoke", "status", cwd=tmp_path, env={"CDPATH": str(tmp_path / "elsewhere")})
    assert result.stdout.splitlines()[0] == str(checkout), result.stderr


@pytest.fixture
def without_python(tmp_path: Path) -> dict[str, str]:
    """A machine on which no environment can be made, so that each attempt is seen at once."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "cat", "cksum", "flock", "readlink", "dirname"):
        (tools / name).symlink_to(shutil.which(name) or "")
    program(tools / "python3", "exit 127")  # a version manager's shim that runs nothing
    return {"PATH": str(tools)}


def test_a_machine_without_python_is_one_sentence(checkout: Path, without_python: Mapping[str, str]) -> None:
    assert start("./invoke", cwd=checkout, env=without_python).returncode == 0  # which needs none of it
    (checkout / ".venv" / ".stamp").unlink()
    result = start("./invoke", cwd=checkout, env=without_python)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("slipway: Python 3.11 or newer is needed.")


@pytest.mark.parametrize("name", ["python", "invoke", "../.stamp"])
def test_a_broken_environment_is_made_anew(checkout: Path, without_python: Mapping[str, str], name: str) -> None:
    (checkout / ".venv" / "bin" / name).unlink()
    assert start("./invoke", cwd=checkout, env=without_python).returncode == 1


def test_a_changed_lock_makes_the_environment_stale(checkout: Path, without_python: Mapping[str, str]) -> None:
    (checkout / "requirements.lock").write_text("nothing==2\n")
    assert start("./invoke", cwd=checkout, env=without_python).returncode == 1


def test_a_moved_folder_makes_the_environment_stale(checkout: Path, without_python: Mapping[str, str]) -> None:
    moved = checkout.rename(checkout.with_name("moved"))
    assert start("./invoke", cwd=moved, env=without_python).returncode == 1


def test_a_failed_install_names_its_log_and_leaves_no_stamp(checkout: Path) -> None:
    (checkout / "requirements.lock").write_text("nothing @ file:///nowhere --hash=sha256:00\n")
    result = start("./invoke", cwd=checkout)
    assert result.returncode == 1
    assert "could not be installed" in result.stderr and "install.log" in result.stderr
    assert not (checkout / ".venv" / ".stamp").exists()


def test_an_interrupt_before_anything_was_begun_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "invoke").mkdir()
    (tmp_path / "invoke" / "__init__.py").write_text("raise KeyboardInterrupt")
    argv = [sys.executable, "-S", str(ROOT / "start.py"), "deploy"]
    done = subprocess.run(argv, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\n✗ Interrupted, before anything was begun.\n")
