"""Droplets as the caller sees them: ordering, looking, deleting."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from localocean.config import Config
from localocean.engine.actions import Actions
from localocean.engine.addresses import choose, holders
from localocean.engine.catalogue import DEFAULT_REGION, REGIONS, SIZES
from localocean.engine.errors import NotFound, Unprocessable, Unsupported
from localocean.engine.images import Images
from localocean.engine.keys import Keys
from localocean.engine.limits import DROPLETS, DROPLETS_AT_ONCE, USER_DATA_BYTES
from localocean.engine.tags import Tags
from localocean.engine.vpcs import Vpcs
from localocean.network import ipv6
from localocean.store.records import (
    BACKUP,
    DROPLET,
    IN_PROGRESS,
    SNAPSHOT,
    Action,
    Droplet,
    Image,
    Listing,
    Page,
    Vpc,
)
from localocean.store.store import Store

NAME = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9.-]{0,251}[a-zA-Z0-9])?")
HOSTNAME_LENGTH = 63
TAGGED = (
    "CAST(id AS TEXT) IN (SELECT resource_id FROM taggings JOIN tags ON tags.id = tag_id"
    " WHERE resource_type = 'droplet' AND tags.name = ? COLLATE NOCASE)"
)


@dataclass(frozen=True)
class DropletOrder:
    """What a caller asks for; one droplet per name. An empty region means any; a policy means backups."""

    names: Sequence[str]
    region: str
    size: str
    image: str
    ssh_keys: Sequence[str] = ()
    user_data: str = ""
    tags: Sequence[str] = ()
    monitoring: bool = False
    ipv6: bool = False
    backup_policy: Mapping[str, Any] | None = None
    vpc: str | None = None


@dataclass(frozen=True)
class DropletView:
    """A droplet with all that is shown of it."""

    droplet: Droplet
    image: Image
    vpc: Vpc
    image_tags: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    snapshot_ids: list[int] = field(default_factory=list)
    backup_ids: list[int] = field(default_factory=list)
    locked: bool = False


class Droplets:
    """The records; what happens on the machine is the lifecycle's."""

    def __init__(
        self,
        config: Config,
        store: Store,
        actions: Actions,
        keys: Keys,
        images: Images,
        tags: Tags,
        vpcs: Vpcs,
    ) -> None:
        self.config = config
        self.store = store
        self.actions = actions
        self.keys = keys
        self.images = images
        self.tags = tags
        self.vpcs = vpcs

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

    def records(self, page: Page) -> Listing[Droplet]:
        """All droplets as they are recorded."""
        return self.store.droplets.page(page)

    def at(self, address: str) -> Droplet | None:
        """The droplet with a public address of its own, if there is one."""
        return self.store.droplets.first("public_address = ?", address)

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

    def neighbors(self, identifier: int, page: Page) -> Listing[DropletView]:
        """The other droplets on the same machine: those of the same region, since each is one machine."""
        where = "region = ? AND id != ?"
        listing = self.store.droplets.page(page, where, self.record(identifier).region, identifier)
        return Listing(self.views(listing.items), listing.total)

    def neighborhoods(self) -> list[list[int]]:
        """The ids of all droplets that have neighbours, by machine."""
        regions: dict[str, list[int]] = {}
        for droplet in self.store.droplets.find():
            regions.setdefault(droplet.region, []).append(droplet.id)
        return [ids for ids in regions.values() if len(ids) > 1]

    def boot_again(self, identifier: int) -> Action:
        """Record that a machine which should run is being started, as after a reboot of the host."""
        with self.store.transaction():
            droplet = self.record(identifier)
            return self.actions.begin("power_on", DROPLET, droplet.id, droplet.region)

    def delete(self, identifier: int) -> None:
        """Begin the end. It waits for what is pending, which gives up early; floating IPs are free at once."""
        with self.store.transaction():
            action = self.doom(self.record(identifier))
        if action:
            self.actions.submit(action)

    def delete_tagged(self, tag_name: str) -> None:
        with self.store.transaction():
            self.tags.get(tag_name)
            doomed = [self.doom(droplet) for droplet in self.store.droplets.find(TAGGED, tag_name)]
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
            made = self.store.images.find(f"droplet_id IN ({marks}) AND NOT deleted", *ids)
            pending = self.store.actions.find(
                f"resource_type = 'droplet' AND status = '{IN_PROGRESS}' AND type != 'destroy'"
                f" AND resource_id IN ({marks})",
                *ids,
            )
            vpcs = self.vpcs.all_of(droplets)
        locked = {action.resource_id for action in pending}
        return [
            DropletView(
                droplet=droplet,
                image=images[droplet.image_id],
                vpc=vpcs[droplet.id],
                image_tags=image_tags[droplet.image_id],
                tags=tags[droplet.id],
                snapshot_ids=[i.id for i in made if i.droplet_id == droplet.id and i.type == SNAPSHOT],
                backup_ids=[i.id for i in made if i.droplet_id == droplet.id and i.type == BACKUP],
                locked=droplet.id in locked,
            )
            for droplet in droplets
        ]

    def _images_of(self, droplets: Sequence[Droplet]) -> list[Image]:
        wanted = sorted({droplet.image_id for droplet in droplets})
        return self.store.images.find(f"id IN ({', '.join('?' * len(wanted))})", *wanted)

    def _image(self, order: DropletOrder) -> Image:
        image = self.images.usable(order.image, order.region or DEFAULT_REGION, "creation")
        if image.min_disk_size > SIZES[order.size].disk:
            raise Unprocessable("This size is not available because it has a smaller disk.")
        return image

    def _public_keys(self, references: Sequence[str]) -> tuple[str, ...]:
        found = {reference: self.keys.find(reference) for reference in references}
        if unknown := [reference for reference, key in found.items() if key is None]:
            raise Unprocessable(f"{', '.join(unknown)} are invalid key identifiers for Droplet creation.")
        return tuple(key.public_key for key in found.values() if key)

    def _add(self, name: str, order: DropletOrder, image: Image, keys: tuple[str, ...]) -> tuple[Droplet, Action]:
        others = holders(self.store)
        vpc = self.vpcs.choose(order.region or DEFAULT_REGION, order.vpc)
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
                disk=SIZES[order.size].disk,
                ipv6=order.ipv6,
                backups=order.backup_policy is not None,
                backup_policy=dict(order.backup_policy or {}),
                vpc=vpc.uuid,
            )
        )
        public = choose(self.config.public_addresses(), (d.public_address for d in others), droplet.id - 1)
        private = choose(self.vpcs.addresses(vpc), (d.private_address for d in others), droplet.id - 1)
        self.store.droplets.update(droplet.id, public_address=public, private_address=private)
        self.tags.label(order.tags, DROPLET, droplet.id)
        return self.record(droplet.id), self.actions.begin("create", DROPLET, droplet.id, droplet.region)

    def doom(self, droplet: Droplet, args: Mapping[str, Any] | None = None) -> Action | None:
        """Record the beginning of the end, with what it is to remember; None when it has begun already."""
        doomed = "resource_type = 'droplet' AND resource_id = ? AND type = 'destroy' AND status = ?"
        if self.store.actions.first(doomed, droplet.id, IN_PROGRESS):
            return None
        for ip in self.store.floating_ips.find("droplet_id = ?", droplet.id):
            self.store.floating_ips.update(ip.id, droplet_id=None)
        return self.actions.begin("destroy", DROPLET, droplet.id, droplet.region, args, force=True)


def _check(order: DropletOrder) -> None:
    if not order.names:
        raise Unprocessable("Name can't be blank")
    if len(order.names) > DROPLETS_AT_ONCE:
        raise Unprocessable(f"You can only create {DROPLETS_AT_ONCE} Droplets at a time.")
    for name in order.names:
        checked_name(name)
    if order.region and order.region not in REGIONS:
        raise Unprocessable("You specified an invalid region for Droplet creation.")
    if order.size not in SIZES:
        raise Unprocessable("You specified an invalid size for Droplet creation.")
    if len(order.user_data.encode()) > USER_DATA_BYTES:
        raise Unprocessable("User data is too long (maximum is 65536 characters)")
    if order.ipv6 and not ipv6.available():
        raise Unsupported("The local cloud cannot offer IPv6, because the machine that it runs on has none.")


def checked_name(name: str) -> str:
    """A name that a droplet can have. Raises Unprocessable."""
    if not name:
        raise Unprocessable("Name can't be blank")
    if not NAME.fullmatch(name):
        raise Unprocessable("Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)")
    return name
