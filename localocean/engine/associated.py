"""What belongs to a droplet and would outlive it, and destroying it together with the droplet.

All of it goes from the records in one transaction with the beginning of the droplet's end, whose action remembers
what went; the job of that action does to the machine what is left to do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from localocean.engine.actions import Actions
from localocean.engine.droplets import Droplets
from localocean.engine.errors import PENDING_ADDRESS, Conflict, NotFound, Unprocessable
from localocean.engine.floating import forget, number
from localocean.engine.tags import Tags
from localocean.store.records import (
    DROPLET,
    ERRORED,
    FLOATING_IP,
    IMAGE,
    IN_PROGRESS,
    SNAPSHOT,
    Action,
    FloatingIP,
    Image,
)
from localocean.store.store import Store

R = TypeVar("R", FloatingIP, Image)


@dataclass(frozen=True)
class Resources:
    """The floating IPs that point at a droplet, and the snapshots that were taken of it."""

    floating_ips: list[FloatingIP]
    snapshots: list[Image]


class Associated:
    """Requests to destroy a droplet with what belongs to it, one at a time for each droplet."""

    def __init__(self, store: Store, actions: Actions, droplets: Droplets, tags: Tags) -> None:
        self.store = store
        self.actions = actions
        self.droplets = droplets
        self.tags = tags

    def of(self, droplet_id: int) -> Resources:
        """Raises NotFound."""
        self.droplets.record(droplet_id)
        return Resources(
            self.store.floating_ips.find("droplet_id = ?", droplet_id),
            self.store.images.find("droplet_id = ? AND type = ? AND NOT deleted", droplet_id, SNAPSHOT),
        )

    def destroy_all(self, droplet_id: int) -> None:
        """Raises NotFound, Conflict, Unprocessable."""
        with self.store.transaction():
            action = self._destroy(droplet_id, self.of(droplet_id))
        self.actions.submit(action)

    def destroy_some(self, droplet_id: int, floating_ips: Collection[str], snapshots: Collection[str]) -> None:
        """The droplet and the resources named by id. Raises NotFound, also for one that is not the droplet's."""
        with self.store.transaction():
            there = self.of(droplet_id)
            chosen = Resources(_chosen(there.floating_ips, floating_ips), _chosen(there.snapshots, snapshots))
            action = self._destroy(droplet_id, chosen)
        self.actions.submit(action)

    def retry(self, droplet_id: int) -> None:
        """Once more what failed. Raises NotFound when nothing was asked for, Conflict while it is under way."""
        with self.store.transaction():
            last = self.last(droplet_id)
            if last.status == IN_PROGRESS:
                raise Conflict("The Droplet is being destroyed already.")
            if last.status != ERRORED:
                return
            action = self.actions.begin("destroy", DROPLET, droplet_id, last.region, last.args, force=True)
        self.actions.submit(action)

    def last(self, droplet_id: int) -> Action:
        """The last request about the droplet, which may be gone. Raises NotFound."""
        where = "resource_type = ? AND resource_id = ? AND type = 'destroy'"
        found = self.store.actions.find(where, DROPLET, droplet_id, newest=True)
        for action in found[:1]:
            if "associated" in action.args:
                return action
        raise NotFound

    def _destroy(self, droplet_id: int, chosen: Resources) -> Action:
        for ip in chosen.floating_ips:
            if self.actions.pending(FLOATING_IP, number(ip.address)):
                raise Unprocessable(PENDING_ADDRESS)
        droplet = self.droplets.record(droplet_id)
        action = self.droplets.doom(droplet, {"associated": _described(chosen), "name": droplet.name})
        if action is None:
            raise Conflict("The Droplet is being destroyed already.")
        for ip in chosen.floating_ips:
            forget(self.store, ip)
        for image in chosen.snapshots:
            self.store.images.update(image.id, deleted=True)
            self.tags.forget(IMAGE, image.id)
        return action


def _chosen(there: Iterable[R], wanted: Collection[str]) -> list[R]:
    by_id = {str(resource.id): resource for resource in there}
    if not by_id.keys() >= set(wanted):
        raise NotFound
    return [by_id[identifier] for identifier in wanted]


def _described(chosen: Resources) -> dict[str, list[dict[str, Any]]]:
    return {
        "floating_ips": [{"id": str(ip.id), "name": ip.address} for ip in chosen.floating_ips],
        "snapshots": [{"id": str(image.id), "name": image.name} for image in chosen.snapshots],
    }
