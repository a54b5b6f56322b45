"""What a run that was killed leaves to the next one: tools that still run, and things that no state knows of.

Whoever calls this holds the environment, so nobody else can be making any of it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline import adoption, ledger
from pipeline.errors import PipelineError
from pipeline.names import user_number
from pipeline.reference import Reference
from pipeline.session import Session

_GRACE = 60.0
"""Seconds that OpenTofu has to write its state after it was asked to stop: the provider's waits cannot be cut short."""
_HARD = 5.0


def end_processes(runs: Path, say: Callable[[str], None]) -> None:
    """End the tools of runs that were cut short, known by their environment; a Terraform is let write its state.

    Programs of a run that came to its end go on: somebody wanted them.
    """
    engines = dict(_left(runs, engine=True))
    for pid, name in engines.items():
        say(f"stopping {name} (process {pid}), which a run that died left behind")
    _signal(engines, signal.SIGINT)
    _wait(lambda: dict(_left(runs, engine=True)), _GRACE)
    for number in (signal.SIGTERM, signal.SIGKILL):
        _signal(dict(_left(runs)), number)
        _wait(lambda: dict(_left(runs)), _HARD)


def _left(runs: Path, *, engine: bool = False) -> Iterator[tuple[int, str]]:
    """Number and name of each process of runs in a folder that were cut short; of engines alone if so asked."""
    begins = f"{ledger.CONTINUED}={runs}/".encode()
    for entry in os.scandir("/proc"):
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            environ = Path(entry.path, "environ").read_bytes().split(b"\0")
            words = Path(entry.path, "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it is over, or somebody else's
        run = next((each for each in environ if each.startswith(begins)), None)
        if run is None or not ledger.was_cut_short(Path(os.fsdecode(run.partition(b"=")[2]))):
            continue
        name = Path(os.fsdecode(words[0])).name
        if name and (not engine or name in {"tofu", "terraform"}):
            yield int(entry.name), name


def _signal(processes: dict[int, str], number: signal.Signals) -> None:
    for pid in processes:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def _wait(found: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while found() and time.monotonic() < deadline:
        time.sleep(0.1)


def remove_strays(session: Session, outputs: Mapping[str, Any]) -> bool:
    """Take over what was made and not written down, if it is there but once, and remove what is made for a release.

    The former are the address and the key, the latter droplets and database users that no state knows. ``outputs`` are
    the state's last word. What the floating IP points at stays, unless the very first apply died before it was
    confirmed; returns whether there is such a droplet, which can go when the address has moved. Where there is no state
    and nothing was ever ordered, all there is belongs to a state elsewhere.
    """
    if not (session.roots[0].has_state or adoption.is_due(session.roots[0])):
        return False
    never_confirmed = adoption.adopt(session, outputs)
    found = _droplets(session, outputs)
    addressed = session.api.floating_ip_targets() if found and not never_confirmed else set()
    droplets = {number: name for number, name in found.items() if number not in addressed}
    carries = len(droplets) < len(found)
    users = _users(session, outputs)
    if not (droplets or users):
        return carries
    resources = session.terraform.resources()
    known = {str(each.get("id")) for kind, each in resources if kind == "digitalocean_droplet"}
    named = {str(each.get("name")) for kind, each in resources if kind == "digitalocean_database_user"}
    for number, name in droplets.items():
        if str(number) not in known:
            _remove(session, f"droplets/{number}", f"the droplet {name}")
    for path, name in users.items():
        if name not in named:
            _remove(session, path, f"the database user {name}")
    return carries


def _droplets(session: Session, outputs: Mapping[str, Any]) -> dict[int, str]:
    """Droplets that do not stand where the state's last word has them."""
    written = {each["id"] for each in (outputs.get("droplets") or {}).values()}
    return {each.id: each.name for each in session.api.droplets(session.settings.tag) if each.id not in written}


def _users(session: Session, outputs: Mapping[str, Any]) -> dict[str, str]:
    """Database users of the pipeline's own naming that no confirmed release has, by their path in the API."""
    if session.settings.project.database is None:
        return {}
    cluster = session.api.cluster(session.settings.cluster, session.settings.tag)
    if cluster is None:
        return {}
    confirmed = Reference.from_state(outputs.get("reference"))
    used = {confirmed.releases[key].database_user for key in confirmed.running}
    return {
        f"databases/{cluster.id}/users/{name}": name
        for name in session.api.database_users(cluster.id)
        if user_number(name) is not None and name not in used
    }


def _remove(session: Session, path: str, what: str) -> None:
    session.progress.warn(f"removing {what}, which a run that died left behind")
    try:
        session.api.remove(path)
    except PipelineError as error:
        session.progress.warn(f"{what} could not be removed: {error.message}")
