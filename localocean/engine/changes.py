"""What changes a droplet for good: its image, its size, its features. One job per action, each safe to repeat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from localocean.engine.actions import Actions, Settle
from localocean.engine.backups import DAILY, KEPT
from localocean.engine.images import Images
from localocean.engine.lifecycle import Lifecycle
from localocean.engine.machinery import Machinery
from localocean.host.errors import HostError
from localocean.host.passwords import set_root_password
from localocean.store.records import ACTIVE, BACKUP, OFF, Action, Droplet
from localocean.store.store import Store


class Changes:
    """The jobs. Raises HostError; a droplet whose change failed is off or on, as the kernel has it."""

    def __init__(
        self, store: Store, actions: Actions, machinery: Machinery, lifecycle: Lifecycle, images: Images
    ) -> None:
        self.store = store
        self.disks = machinery.disks
        self.machines = machinery.machines
        self.network = machinery.network
        self.lifecycle = lifecycle
        self.images = images
        actions.jobs |= {
            "rebuild": self._rebuild,
            "restore": self._rebuild,
            "resize": self._record,
            "enable_ipv6": self._enable_ipv6,
            "enable_backups": self._record,
            "disable_backups": self._record,
            "change_backup_policy": self._record,
            "backup": self._back_up,
            "password_reset": self._reset_password,
        }

    def _record(self, action: Action) -> Settle:
        """Only the record changes; a size counts from the next start, which the machine's being off makes sure of."""
        return lambda: self.store.droplets.update(action.resource_id, **action.args)

    def _rebuild(self, action: Action) -> Settle:
        """A fresh disk on the image; the machine is on afterwards, with its number, addresses, keys and user data."""
        droplet = self.lifecycle.droplet(action)
        self._consistently(droplet, lambda: self._renew(droplet, action))
        started = self.lifecycle.power_on(action)
        self.images.layers.collect()
        return started

    def _renew(self, droplet: Droplet, action: Action) -> None:
        self.lifecycle.halt(droplet.id, clean=False)
        self.disks.delete(droplet.id)
        self.store.droplets.update(droplet.id, **action.args)

    def _enable_ipv6(self, action: Action) -> Settle:
        """The host's side at once; the droplet's own is configured when it boots next, or by its owner."""
        droplet = self.lifecycle.droplet(action)
        self.network.enable_ipv6()
        if self.machines.is_running(droplet.id):
            self.machines.attach(self.lifecycle.spec(replace(droplet, ipv6=True), self.disks.root(droplet.id)))
        return lambda: self.store.droplets.update(droplet.id, ipv6=True)

    def _back_up(self, action: Action) -> Settle:
        droplet = self.lifecycle.droplet(action)
        image = self.lifecycle.image(action, type=BACKUP)
        mine = self.store.images.find("droplet_id = ? AND type = ? AND NOT deleted", droplet.id, BACKUP)
        room = KEPT[droplet.backup_policy.get("plan", DAILY)] - 1
        for outdated in mine[: max(0, len(mine) - room)]:
            self.images.delete(outdated.id)
        return lambda: self.store.images.add(image)

    def _reset_password(self, action: Action) -> Settle:
        droplet = self.lifecycle.droplet(action)
        if self.machines.is_running(droplet.id):
            set_root_password(self.disks.root(droplet.id), action.args["password"])
        else:
            set_root_password(self.lifecycle.mount(droplet), action.args["password"])
            self.disks.unmount(droplet.id)
        return lambda: self.store.droplets.update(droplet.id, root_password=action.args["password"])

    def _consistently(self, droplet: Droplet, work: Callable[[], None]) -> None:
        try:
            work()
        except HostError:
            status = ACTIVE if self.machines.is_running(droplet.id) else OFF
            self.store.droplets.update(droplet.id, status=status)
            raise
