"""Droplets as the caller sees them: ordering, looking, asking for actions, deleting."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from localcloud.config import Config
from localcloud.engine.actions import Actions
from localcloud.engine.addresses import choose
from localcloud.engine.catalogue import BASES, DEFAULT_REGION, REGIONS, SIZES
from localcloud.engine.errors import PENDING_DROPLET, NotFound, Unprocessable
from localcloud.engine.images import Images
from localcloud.engine.keys import Keys
from localcloud.engine.limits import DROPLETS, DROPLETS_AT_ONCE, USER_DATA_BYTES
from localcloud.engine.records import ACTIVE, DROPLET, IN_PROGRESS, OFF, Action, Droplet, Image, Listing, Page, now
from localcloud.engine.store import Store
from localcloud.engine.tags import Tags

NAME = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9.-]{0,251}[a-zA-Z0-9])?")
HOSTNAME_LENGTH = 63
TAGGED = (
    "CAST(id AS TEXT) IN (SELECT resource_id FROM taggings JOIN tags ON tags.id = tag_id"
    " WHERE resource_type = 'droplet' AND tags.name = ? COLLATE NOCASE)"
)
# What each action needs the droplet to be, and DigitalOcean's words when it is not.
NEEDS = {
    "power_off": (ACTIVE, "Droplet is already powered off."),
    "power_on": (OFF, "Droplet is already powered on."),
    "power_cycle": (ACTIVE, "Droplet is currently powered off."),
    "reboot": (ACTIVE, "Droplet is currently powered off."),
}
SUPPORTED_ACTIONS = {*NEEDS, "shutdown", "snapshot", "rename"}


@dataclass(frozen=True)
class DropletOrder:
    """What a caller asks for; one droplet per name. An empty region means any."""

    names: Sequence[str]
    region: str
    size: str
    image: str
    ssh_keys: Sequence[str] = ()
    user_data: str = ""
    tags: Sequence[str] = ()
    monitoring: bool = False


@dataclass(frozen=True)
class DropletView:
    """A droplet with all that is shown of it."""

    droplet: Droplet
    image: Image
    image_tags: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    snapshot_ids: list[int] = field(default_factory=list)
    locked: bool = False


class Droplets:
    """The records; what happens on the machine is the lifecycle's."""

    def __init__(self, config: Config, store: Store, actions: Actions, keys: Keys, images: Images, tags: Tags) -> None:
        self.config = config
        self.store = store
        self.actions = actions
        self.keys = keys
        self.images = images
        self.tags = tags

    def create(self, order: DropletOrder) -> list[tuple[DropletView, Action]]:
        """Record the droplets and begin making them, all or none. Raises Unprocessable in DigitalOcean's words."""
        _check(order)
        with self.store.transaction():
            image = self._image(order)
            keys = self._public_keys(order.ssh_keys)
            if self.store.droplets.count() + len(order.names) > DROPLETS:
                raise Unprocessable("creating this/these droplet(s) will exceed your droplet limit")
            begun = [self._add(name, order, image, keys) for name in order.names]
        for _, action in begun:
            self.actions.submit(action)
        views = self.views([droplet for droplet, _ in begun])
        return list(zip(views, (action for _, action in begun), strict=True))

    def get(self, identifier: int) -> DropletView:
        """Raises NotFound."""
        return self.views([self.record(identifier)])[0]

    def record(self, identifier: int) -> Droplet:
        droplet = self.store.droplets.get(identifier)
        if droplet is None:
            raise NotFound
        return droplet

    def page(self, page: Page, tag_name: str | None = None, name: str | None = None) -> Listing[DropletView]:
        where, values = ["1"], []
        if tag_name is not None:
            where.append(TAGGED)
            values.append(tag_name)
        if name is not None:
            where.append("name = ? COLLATE NOCASE")
            values.append(name)
        listing = self.store.droplets.page(page, " AND ".join(where), *values)
        return Listing(self.views(listing.items), listing.total)

    def act(self, identifier: int, type: str, name: str | None = None) -> Action:
        """Begin one of SUPPORTED_ACTIONS. Raises NotFound, or Unprocessable in DigitalOcean's words."""
        with self.store.transaction():
            action = self._begin(self.record(identifier), type, name)
        self.actions.submit(action)
        return action

    def act_on_tag(self, tag_name: str, type: str, name: str | None = None) -> list[Action]:
        with self.store.transaction():
            droplets = self.store.droplets.find(TAGGED, tag_name)
            begun = [self._begin(droplet, type, name) for droplet in droplets]
        for action in begun:
            self.actions.submit(action)
        return begun

    def boot_again(self, identifier: int) -> Action:
        """Record that a machine which should run is being started, as after a reboot of the host."""
        with self.store.transaction():
            droplet = self.record(identifier)
            return self.actions.begin("power_on", DROPLET, droplet.id, droplet.region)

    def delete(self, identifier: int) -> None:
        """Begin the end. It waits for what is pending, which gives up early; floating IPs are free at once."""
        with self.store.transaction():
            action = self._doom(self.record(identifier))
        if action:
            self.actions.submit(action)

    def delete_tagged(self, tag_name: str) -> None:
        with self.store.transaction():
            self.tags.get(tag_name)
            doomed = [self._doom(droplet) for droplet in self.store.droplets.find(TAGGED, tag_name)]
        for action in filter(None, doomed):
            self.actions.submit(action)

    def views(self, droplets: Sequence[Droplet]) -> list[DropletView]:
        """All that is shown of many droplets, in a handful of queries."""
        ids = [droplet.id for droplet in droplets]
        marks = ", ".join("?" * len(ids))
        with self.store.transaction():
            images = {image.id: image for image in self._images_of(droplets)}
            image_tags = self.tags.of("image", list(images))
            tags = self.tags.of(DROPLET, ids)
            snapshots = self.store.images.find(f"droplet_id IN ({marks}) AND NOT deleted", *ids)
            pending = self.store.actions.find(
                f"resource_type = 'droplet' AND status = '{IN_PROGRESS}' AND type != 'destroy'"
                f" AND resource_id IN ({marks})",
                *ids,
            )
        locked = {action.resource_id for action in pending}
        return [
            DropletView(
                droplet=droplet,
                image=images[droplet.image_id],
                image_tags=image_tags[droplet.image_id],
                tags=tags[droplet.id],
                snapshot_ids=[image.id for image in snapshots if image.droplet_id == droplet.id],
                locked=droplet.id in locked,
            )
            for droplet in droplets
        ]

    def _images_of(self, droplets: Sequence[Droplet]) -> list[Image]:
        wanted = sorted({droplet.image_id for droplet in droplets})
        return self.store.images.find(f"id IN ({', '.join('?' * len(wanted))})", *wanted)

    def _image(self, order: DropletOrder) -> Image:
        image = self.images.find(order.image)
        if image is None or image.base not in BASES:
            raise Unprocessable("You specified an invalid image for Droplet creation.")
        if image.min_disk_size > SIZES[order.size].disk:
            raise Unprocessable("This size is not available because it has a smaller disk.")
        return image

    def _public_keys(self, references: Sequence[str]) -> tuple[str, ...]:
        found = [self.keys.find(reference) for reference in references]
        if None in found:
            raise Unprocessable("You specified invalid ssh key ids for Droplet creation.")
        return tuple(key.public_key for key in found if key)

    def _add(self, name: str, order: DropletOrder, image: Image, keys: tuple[str, ...]) -> tuple[Droplet, Action]:
        others = self.store.droplets.find()
        droplet = self.store.droplets.add(
            Droplet(
                name=name,
                hostname=name[:HOSTNAME_LENGTH].rstrip("-."),
                region=order.region or DEFAULT_REGION,
                size=order.size,
                image_id=image.id,
                base=image.base,
                base_path=image.base_path,
                layers=image.layers,
                public_keys=keys,
                user_data=order.user_data,
                monitoring=order.monitoring,
            )
        )
        public = choose(self.config.public_addresses(), (d.public_address for d in others), droplet.id - 1)
        private = choose(self.config.private_addresses(), (d.private_address for d in others), droplet.id - 1)
        self.store.droplets.update(droplet.id, public_address=public, private_address=private)
        self.tags.label(order.tags, DROPLET, droplet.id)
        return self.record(droplet.id), self.actions.begin("create", DROPLET, droplet.id, droplet.region)

    def _begin(self, droplet: Droplet, type: str, name: str | None) -> Action:
        if self.actions.pending(DROPLET, droplet.id):
            raise Unprocessable(PENDING_DROPLET)
        if type == "shutdown" and droplet.status == OFF:
            # Packer asks for it again and again; a pending one would keep the droplet from its snapshot.
            return self.actions.nothing_to_do(type, DROPLET, droplet.id, droplet.region)
        needed, message = NEEDS.get(type, ("", ""))
        if needed and droplet.status != needed:
            raise Unprocessable(message)
        args = self._arguments(droplet, type, name)
        return self.actions.begin(type, DROPLET, droplet.id, droplet.region, args)

    def _arguments(self, droplet: Droplet, type: str, name: str | None) -> dict[str, str]:
        if type == "snapshot":
            return {"name": name or f"{droplet.name}-{now()}", "layer": self.images.layers.reserve()}
        if type == "rename":
            return {"name": _checked_name(name or "")}
        return {}

    def _doom(self, droplet: Droplet) -> Action | None:
        doomed = "resource_type = 'droplet' AND resource_id = ? AND type = 'destroy' AND status = ?"
        if self.store.actions.first(doomed, droplet.id, IN_PROGRESS):
            return None
        addresses = [ip.address for ip in self.store.floating_ips.find("droplet_id = ?", droplet.id)]
        for ip in self.store.floating_ips.find("droplet_id = ?", droplet.id):
            self.store.floating_ips.update(ip.id, droplet_id=None)
        return self.actions.begin("destroy", DROPLET, droplet.id, droplet.region, {"addresses": addresses}, force=True)


def _check(order: DropletOrder) -> None:
    if not order.names:
        raise Unprocessable("Name can't be blank")
    if len(order.names) > DROPLETS_AT_ONCE:
        raise Unprocessable(f"You can only create {DROPLETS_AT_ONCE} Droplets at a time.")
    for name in order.names:
        _checked_name(name)
    if order.region and order.region not in REGIONS:
        raise Unprocessable("You specified an invalid region for Droplet creation.")
    if order.size not in SIZES:
        raise Unprocessable("You specified an invalid size for Droplet creation.")
    if len(order.user_data.encode()) > USER_DATA_BYTES:
        raise Unprocessable("User data is too long (maximum is 65536 characters)")


def _checked_name(name: str) -> str:
    if not name:
        raise Unprocessable("Name can't be blank")
    if not NAME.fullmatch(name):
        raise Unprocessable("Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)")
    return name
