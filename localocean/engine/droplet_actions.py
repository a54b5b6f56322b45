"""Asking something of a droplet: whether it can be done now, and all that doing it will need.

The texts of refusals are DigitalOcean's where its clients' sources and issues show them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from localocean.engine import backups
from localocean.engine.actions import Actions
from localocean.engine.catalogue import SIZES
from localocean.engine.droplets import TAGGED, Droplets, checked_name
from localocean.engine.errors import PENDING_DROPLET, Unprocessable, Unsupported
from localocean.engine.images import Images
from localocean.network import ipv6
from localocean.store.records import ACTIVE, DROPLET, OFF, Action, Droplet, Image, now
from localocean.store.store import Store

# What each action needs the droplet to be, and DigitalOcean's words when it is not.
NEEDS = {
    "power_off": (ACTIVE, "Droplet is already powered off."),
    "power_cycle": (ACTIVE, "Droplet is currently powered off."),
    "reboot": (ACTIVE, "Droplet is currently powered off."),
    "resize": (OFF, "Droplet must be powered off before it can be resized."),
}
# Packer asks for a shutdown again and again, and a pending one would keep the droplet from its snapshot. Ansible powers
# on what it has just created.
DONE = {"shutdown": OFF, "power_on": ACTIVE}
OF_TAGS = {
    *("power_cycle", "power_on", "power_off", "shutdown", "snapshot", "enable_private_networking"),
    *("enable_ipv6", "enable_backups", "disable_backups"),
}
"""What can be asked of all droplets with a tag at once (DigitalOcean's API description, dropletActions_post_byTag)."""


@dataclass(frozen=True)
class Wish:
    """An action as it is asked for; which of the arguments count depends on its type."""

    type: str
    name: str = ""
    image: str = ""
    size: str = ""
    disk: bool = False
    policy: object = None


class DropletActions:
    """The beginnings of actions; what is then done is the jobs' (see ``lifecycle`` and ``changes``)."""

    def __init__(self, store: Store, actions: Actions, droplets: Droplets, images: Images) -> None:
        self.store = store
        self.actions = actions
        self.droplets = droplets
        self.images = images
        self._arguments: dict[str, Callable[[Droplet, Wish], dict[str, Any]]] = {
            **dict.fromkeys(("power_off", "power_on", "power_cycle", "reboot", "shutdown"), _nothing),
            "snapshot": self._snapshot,
            "rename": _rename,
            "rebuild": self._rebuild,
            "restore": self._restore,
            "resize": _resize,
            "enable_ipv6": _enable_ipv6,
            "enable_private_networking": _nothing,
            "enable_backups": _enable_backups,
            "disable_backups": _disable_backups,
            "change_backup_policy": _change_backup_policy,
            "change_kernel": _change_kernel,
            "password_reset": _password_reset,
        }

    def act(self, droplet_id: int, wish: Wish) -> Action:
        """Begin an action. Raises NotFound, or Unprocessable in DigitalOcean's words."""
        with self.store.transaction():
            action = self.begin(self.droplets.record(droplet_id), wish)
        self.actions.submit(action)
        return action

    def act_on_tag(self, tag_name: str, wish: Wish) -> list[Action]:
        """Begin an action on every droplet with the tag, or on none."""
        if wish.type in self._arguments and wish.type not in OF_TAGS:
            raise Unprocessable(f"The action type {wish.type!r} cannot be used with a tag.")
        with self.store.transaction():
            begun = [self.begin(droplet, wish) for droplet in self.store.droplets.find(TAGGED, tag_name)]
        for action in begun:
            self.actions.submit(action)
        return begun

    def back_up(self, droplet_id: int) -> Action:
        """Begin what DigitalOcean does by itself in the window of the droplet's policy."""
        with self.store.transaction():
            droplet = self.droplets.record(droplet_id)
            if not droplet.backups:
                raise Unprocessable("Backups are not enabled for this Droplet.")
            args = {"name": f"{droplet.name} {now()}", "layer": self.images.layers.reserve()}
            action = self.actions.begin("backup", DROPLET, droplet.id, droplet.region, args)
        self.actions.submit(action)
        return action

    def begin(self, droplet: Droplet, wish: Wish) -> Action:
        """Record the action; to be called in a transaction, and followed by `submit` after it."""
        if wish.type not in self._arguments:
            raise Unprocessable(f"The action type {wish.type!r} is not valid for a Droplet.")
        if self.actions.pending(DROPLET, droplet.id):
            raise Unprocessable(PENDING_DROPLET)
        if wish.type == "enable_private_networking" or DONE.get(wish.type) == droplet.status:
            return self.actions.nothing_to_do(wish.type, DROPLET, droplet.id, droplet.region)
        needed, message = NEEDS.get(wish.type, ("", ""))
        if needed and droplet.status != needed:
            raise Unprocessable(message)
        args = self._arguments[wish.type](droplet, wish)
        return self.actions.begin(wish.type, DROPLET, droplet.id, droplet.region, args)

    def _snapshot(self, droplet: Droplet, wish: Wish) -> dict[str, Any]:
        return {"name": wish.name or f"{droplet.name}-{now()}", "layer": self.images.layers.reserve()}

    def _rebuild(self, droplet: Droplet, wish: Wish) -> dict[str, Any]:
        return _standing_on(self.images.usable(wish.image, droplet.region, "rebuild"), droplet)

    def _restore(self, droplet: Droplet, wish: Wish) -> dict[str, Any]:
        image = self.images.find(wish.image)
        if image is None or image.droplet_id != droplet.id:
            raise Unprocessable("You specified an invalid image for Droplet restore: it must be one of its own.")
        return _standing_on(image, droplet)


def disk(droplet: Droplet) -> int:
    """The size of a droplet's disk in GiB."""
    return droplet.disk or SIZES[droplet.size].disk


def _standing_on(image: Image, droplet: Droplet) -> dict[str, Any]:
    if image.min_disk_size > disk(droplet):
        raise Unprocessable("The image is too large: it needs a bigger disk than this Droplet has.")
    names = ("base", "base_path", "layers")
    return {"image_id": image.id, **{name: getattr(image, name) for name in names}}


def _nothing(droplet: Droplet, wish: Wish) -> dict[str, Any]:
    return {}


def _rename(droplet: Droplet, wish: Wish) -> dict[str, Any]:
    return {"name": checked_name(wish.name)}


def _resize(droplet: Droplet, wish: Wish) -> dict[str, Any]:
    """A disk grows, for good, or stays; sizes with less disk than there is are out of reach."""
    size = SIZES.get(wish.size)
    if size is None:
        raise Unprocessable("You specified an invalid size for Droplet resize.")
    if size.disk < disk(droplet):
        raise Unprocessable("This size is not available because it has a smaller disk.")
    if wish.size == droplet.size and not (wish.disk and size.disk > disk(droplet)):
        raise Unprocessable("Droplet already has this size.")
    return {"size": size.slug, "disk": size.disk if wish.disk else disk(droplet)}


def _enable_ipv6(droplet: Droplet, wish: Wish) -> dict[str, Any]:
    if droplet.ipv6:
        raise Unprocessable("IPv6 is already enabled for this Droplet.")
    if not ipv6.available():
        raise Unsupported("The local cloud cannot offer IPv6, because the machine that it runs on has none.")
    return {}


def _enable_backups(droplet: Droplet, wish: Wish) -> dict[str, Any]:
    if droplet.backups:
        raise Unprocessable("Backups are already enabled for this Droplet.")
    return {"backups": True, "backup_policy": backups.policy(wish.policy)}


def _disable_backups(droplet: Droplet, wish: Wish) -> dict[str, Any]:
    if not droplet.backups:
        raise Unprocessable("Backups are not enabled for this Droplet.")
    return {"backups": False, "backup_policy": {}}


def _change_backup_policy(droplet: Droplet, wish: Wish) -> dict[str, Any]:
    if not droplet.backups:
        raise Unprocessable("Backups are not enabled for this Droplet.")
    if not isinstance(wish.policy, Mapping):
        raise Unprocessable("backup_policy is required.")
    return {"backups": True, "backup_policy": backups.policy(wish.policy)}


def _change_kernel(droplet: Droplet, wish: Wish) -> dict[str, Any]:
    raise Unprocessable("This Droplet manages its own kernel, which cannot be changed from outside.")


def _password_reset(droplet: Droplet, wish: Wish) -> dict[str, Any]:
    return {"password": secrets.token_urlsafe(15)}
