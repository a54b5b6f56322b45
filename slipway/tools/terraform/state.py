"""A state on this machine that survives its machine: Terraform writes it in place, and a write can end half way.

What is made meanwhile is in the world and not in the state. So it is noted beside it that something is being made.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway.data import Malformed, OpenTable, read_json
from slipway.errors import PipelineError

STATE, KEPT, ERRORED = "terraform.tfstate", "terraform.tfstate.kept", "errored.tfstate"
TORN, ORDERED = "terraform.tfstate.torn", "ordered.json"
_BACKUP = "terraform.tfstate.backup"


def keep(folder: Path) -> None:
    """Copy the state beside it, before something is changed and after; the copy is there as a whole or not at all."""
    state = folder / STATE
    if serial(state) is not None:
        _copy(state, folder / KEPT)


def rescue(folder: Path, say: Callable[[str], None]) -> None:
    """Put the newest whole copy in the place of a state that is none, and what could not be written there before.

    What was made after the copy is in the world and not in the state; the next run finds it there.
    """
    state, errored = folder / STATE, folder / ERRORED
    if (newer := serial(errored)) is not None and newer > (serial(state) or -1):
        say("the last run could not write its state where it belongs: it is taken from errored.tfstate")
        _copy(errored, state)
    if newer is not None:
        errored.unlink()
    if not state.exists() or serial(state) is not None:
        return
    copies = [path for path in (folder / KEPT, folder / _BACKUP) if serial(path) is not None]
    if not copies:
        if state.stat().st_size == 0:
            state.unlink()  # OpenTofu makes it to have something to lock
        elif ordered(folder) is not None:
            say(f"the state was cut short in its first apply, and is set aside as {TORN}: what it knew will be found")
            os.replace(state, folder / TORN)
        return
    newest = max(copies, key=lambda path: serial(path) or 0)
    say("the state was cut short when its run died: it is taken from the copy that was made before")
    _copy(newest, state)


def serial(path: Path) -> int | None:
    """The serial number of a state, encrypted or not; None for a file that is none."""
    try:
        data = json.loads(path.read_text())
        return int(data["serial"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def take_back(state: Mapping[str, Any]) -> dict[str, Any]:
    """A state, in plain text, in which what was set aside stands in its place again, unless something else does.

    An engine sets aside ("deposes") what is to be replaced before it makes the successor. When its provider dies in
    between, neither comes back, and the next plan would make the one and then remove the other, which are the same.
    """
    resources = [{**each, "instances": _taken_back(each["instances"])} for each in state.get("resources") or []]
    return {**state, "resources": resources}


def _taken_back(instances: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    standing = {each.get("index_key") for each in instances if "deposed" not in each}
    found: list[Mapping[str, Any]] = []
    for each in instances:
        if each.get("index_key") not in standing:
            standing.add(each.get("index_key"))
            each = {name: value for name, value in each.items() if name != "deposed"}
        found.append(each)
    return found


def order(folder: Path, before: Sequence[str]) -> None:
    """Note that an apply is about to make what is not in the state, and what of that kind was there before."""
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f".{ORDERED}.new"
    with new.open("w") as file:
        json.dump({"before": list(before)}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, folder / ORDERED)


@dataclass(frozen=True, kw_only=True)
class _Ordered(OpenTable):
    before: list[str]


def ordered(folder: Path) -> list[str] | None:
    """What there was before an apply that never ended well; None when there is no such apply."""
    path = folder / ORDERED
    try:
        return read_json(path.read_bytes(), _Ordered).before
    except FileNotFoundError:
        return None
    except Malformed as error:
        raise PipelineError(
            f"{path} is corrupt: {error}.",
            "It notes what the account had before an order. ./invoke reap finds what is left; then remove the file.",
        ) from error


def settle(folder: Path) -> None:
    """Forget what was noted: the state has it."""
    (folder / ORDERED).unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    temporary = target.with_name(f".{target.name}.new")
    try:
        shutil.copyfile(source, temporary)
        temporary.chmod(0o600)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
