"""live -> retired: what stood before a release stays beside it until it has proved itself, and goes then.

Terraform's provider waits twenty seconds for the end of a droplet that takes one. So the cloud is asked directly, and
the apply that follows finds the droplet gone; where the cloud refused, that apply removes it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor

from slipway.clock import SYSTEM, Clock
from slipway.environment.outputs import Outputs
from slipway.environment.reference import Reference
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.retries import polled
from slipway.tools.digitalocean import API

_GONE = 30.0
"""Seconds that a droplet may take to go."""


def beside(session: Session, target: Reference, outputs: Outputs, there: Collection[str]) -> Reference:
    """A reference with everything that stands (``there``), was confirmed, and can be kept as it is."""
    known = outputs.confirmed.releases
    others = {key: each for key, each in known.items() if key in there and key not in target.running}
    if not others:
        return target
    images = [found.name for found in session.api.images()]
    return target.beside({key: each for key, each in others.items() if images.count(each.image) == 1})


def standing(session: Session, outputs: Outputs) -> set[str]:
    """The releases all of whose droplets are in the state and in the world."""
    there = {each.id for each in session.api.droplets(session.settings.tag)}
    return {key for key, group in outputs.groups.items() if group.ids <= there}


def remove(session: Session, trial: Reference, outputs: Outputs) -> None:
    """Remove the droplets of the releases that retire; one that an address points at is left to the plan's guard.

    Raises LockLost when the environment is somebody else's by now.
    """
    _remove_of(session, outputs, trial.retiring)


def remove_failed(session: Session, confirmed: Reference, outputs: Outputs) -> None:
    """Remove the droplets of the state that a way back has no use for; one that an address points at stays."""
    _remove_of(session, outputs, sorted(standing(session, outputs) - {*confirmed.running}))


def _remove_of(session: Session, outputs: Outputs, keys: Iterable[str]) -> None:
    addressed = session.api.floating_ip_targets()
    for key in keys:
        for number in sorted(outputs.groups[key].ids - addressed):
            with session.progress.step(f"remove the droplet of {key}"):
                _remove(session, number)


def remove_all(session: Session) -> None:
    """Remove every droplet of the environment at once; what the cloud refuses is left to Terraform."""
    droplets = session.api.droplets(session.settings.tag)
    if not droplets:
        return
    with session.progress.step(f"remove {len(droplets)} droplets"), ThreadPoolExecutor(len(droplets)) as pool:
        list(pool.map(lambda each: _remove(session, each.id), droplets))


def _remove(session: Session, number: int) -> None:
    try:
        session.api.remove(f"droplets/{number}")
        _wait_until_gone(session.api, session.settings.tag, number)
    except PipelineError as error:
        session.progress.warn(f"{error.message} Terraform removes it instead.")


def _wait_until_gone(api: API, tag: str, number: int, clock: Clock = SYSTEM) -> None:
    def is_gone() -> bool:
        return all(each.id != number for each in api.droplets(tag))

    if not polled(is_gone, _GONE, 0.25, clock):
        raise PipelineError(f"Droplet {number} is still there after {_GONE:.0f} s.")
