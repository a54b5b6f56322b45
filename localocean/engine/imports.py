"""Custom images: rootfs archives that are fetched in the background, and what can be done to any private image."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from localocean.engine.actions import Abandoned, Actions, Interrupted, Settle
from localocean.engine.catalogue import REGIONS
from localocean.engine.errors import PENDING_EVENTS, Unprocessable
from localocean.engine.images import Images, ImageView, check_distribution
from localocean.storage.imports import SCHEMES, Imports
from localocean.store.records import AVAILABLE, IMAGE, IMPORTING, PENDING, Action, Image
from localocean.store.store import Store

GIGABYTE = 1_000_000_000


@dataclass(frozen=True)
class ImageOrder:
    """A custom image as a caller asks for it."""

    name: str
    url: str
    region: str
    distribution: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()


class CustomImages:
    """A custom image is NEW, then pending, then available; one that fails is deleted, and says why."""

    def __init__(self, store: Store, actions: Actions, images: Images, imports: Imports) -> None:
        self.store = store
        self.actions = actions
        self.images = images
        self.imports = imports
        actions.jobs |= {IMPORTING: self._import, "transfer": self._transfer, "convert": self._convert}
        actions.undo[IMPORTING] = self._give_up

    def create(self, order: ImageOrder) -> ImageView:
        """Record the image and begin to fetch it. Raises Unprocessable."""
        _check(order)
        with self.store.transaction():
            layer = self.images.layers.reserve()
            image = self.store.images.add(
                Image(
                    name=order.name,
                    type="custom",
                    status="NEW",
                    distribution=order.distribution or "Unknown",
                    description=order.description,
                    region=order.region,
                )
            )
            self.images.tags.label(order.tags, IMAGE, image.id)
            action = self.actions.begin(IMPORTING, IMAGE, image.id, image.region, {"url": order.url, "layer": layer})
            view = self.images.view(image)
        self.actions.submit(action)
        return view

    def transfer(self, reference: int, region: str) -> Action:
        """Make a private image available in one more region, whichever others it is on its way to.

        Packer transfers to all of its regions at once. Raises NotFound, Forbidden, Unprocessable.
        """
        with self.store.transaction():
            image = self._available(reference)
            if region not in REGIONS:
                raise Unprocessable("You specified an invalid region for the image transfer.")
            pending = self.actions.of(IMAGE, image.id)
            if any(action.type != "transfer" for action in pending):
                raise Unprocessable(PENDING_EVENTS[IMAGE])
            if region in (image.region, *image.regions, *(action.args["region"] for action in pending)):
                raise Unprocessable("The image is already available in that region.")
            action = self.actions.begin("transfer", IMAGE, image.id, image.region, {"region": region}, force=True)
        self.actions.submit(action)
        return action

    def convert(self, reference: int) -> Action:
        """Make a backup a snapshot, which is kept until somebody deletes it. Raises as `transfer` does."""
        with self.store.transaction():
            image = self._available(reference)
            if image.type != "backup":
                raise Unprocessable("Only a backup can be converted to a snapshot.")
            action = self.actions.begin("convert", IMAGE, image.id, image.region)
        self.actions.submit(action)
        return action

    def _available(self, reference: int) -> Image:
        image = self.images.private(reference)
        if image.status != AVAILABLE:
            raise Unprocessable("The image is not available yet.")
        return image

    def _import(self, action: Action) -> Settle:
        self._check_wanted(action)
        layer = action.args["layer"]
        self.store.images.update(action.resource_id, status=PENDING)
        size = self.imports.fetch(action.args["url"], layer, lambda: self._check_wanted(action))
        room = -(-size // GIGABYTE)
        return lambda: self.store.images.update(
            action.resource_id, status=AVAILABLE, layers=(layer,), size_bytes=size, min_disk_size=room
        )

    def _give_up(self, action: Action) -> None:
        """An image that could not be fetched, whatever the reason, is deleted and tells it."""
        image = self.store.images.get(action.resource_id)
        if image and not image.deleted:
            self.store.images.update(image.id, error=action.reason, deleted=True)

    def _check_wanted(self, action: Action) -> None:
        if self.actions.stopping.is_set():
            raise Interrupted
        image = self.store.images.get(action.resource_id)
        if image is None or image.deleted:
            raise Abandoned(f"Image {action.resource_id} was deleted.")

    def _transfer(self, action: Action) -> Settle:
        def settle() -> None:
            image = self.store.images.get(action.resource_id)
            if image:
                self.store.images.update(image.id, regions=(*image.regions, action.args["region"]))

        return settle

    def _convert(self, action: Action) -> Settle:
        return lambda: self.store.images.update(action.resource_id, type="snapshot")


def _check(order: ImageOrder) -> None:
    if not order.name:
        raise Unprocessable("Name can't be blank")
    if _scheme(order.url) not in SCHEMES:
        raise Unprocessable(f"url must be an address that begins with one of {', '.join(SCHEMES)}.")
    if order.region not in REGIONS:
        raise Unprocessable("You specified an invalid region for the image.")
    if order.distribution:
        check_distribution(order.distribution)


def _scheme(url: str) -> str:
    try:
        return urlsplit(url).scheme
    except ValueError:  # a bracket that opens an address and is never closed
        return ""
