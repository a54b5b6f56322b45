"""Images: the bases, and droplets' snapshots, whose files are layers shared between whoever stands on them."""

from __future__ import annotations

from dataclasses import dataclass

from localocean.config import Config
from localocean.engine.catalogue import BASES, Base, alias
from localocean.engine.errors import Forbidden, NotFound, Unprocessable
from localocean.engine.layers import Layers
from localocean.engine.tags import Tags
from localocean.host.errors import HostError
from localocean.store.records import AVAILABLE, IMAGE, SNAPSHOT, Image, Listing, Page
from localocean.store.store import Store

DISTRIBUTIONS = (
    *("Arch Linux", "CentOS", "CoreOS", "Debian", "Fedora", "Fedora Atomic", "FreeBSD", "Gentoo", "openSUSE"),
    *("RancherOS", "Rocky Linux", "Ubuntu", "Unknown"),
)


@dataclass(frozen=True)
class ImageFilter:
    """How a list of images is narrowed; None means not at all."""

    private: bool | None = None
    type: str | None = None
    tag_name: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class ImageView:
    """An image with its tags."""

    image: Image
    tags: list[str]


class Images:
    """Base images are everyone's and have a slug; the others are private and have none."""

    def __init__(self, config: Config, store: Store, tags: Tags, layers: Layers) -> None:
        self.aliases = config.image_aliases
        self.store = store
        self.tags = tags
        self.layers = layers

    def seed(self) -> None:
        """Record the base images of the catalogue and the aliases. Raises HostError for an alias of nothing."""
        with self.store.transaction():
            for base in BASES.values():
                self._offer(base, base.slug)
            for slug, target in self.aliases.items():
                if target not in BASES:
                    raise HostError(
                        f"LOCALOCEAN_IMAGE_ALIASES makes {slug} an alias of {target}, which there is none of.",
                        f"There are: {', '.join(BASES)}.",
                    )
                self._offer(alias(slug, target), target)

    def _offer(self, base: Base, files: str) -> None:
        if self.store.images.get(base.id) is None:
            self.store.images.add(
                Image(
                    id=base.id,
                    name=base.name,
                    slug=base.slug,
                    type="base",
                    distribution=base.distribution,
                    description=f"{base.distribution} {base.name}",
                    base=files,
                    min_disk_size=base.min_disk_size,
                    size_bytes=base.size_bytes,
                    created_at=base.created_at,
                )
            )

    def page(self, page: Page, wanted: ImageFilter) -> Listing[ImageView]:
        where, values = ["NOT deleted"], []
        if wanted.private is not None:
            where.append("slug IS NULL" if wanted.private else "slug IS NOT NULL")
        if wanted.type is not None:
            where.append({"distribution": "slug IS NOT NULL", "user": "slug IS NULL"}.get(wanted.type, "0"))
        if wanted.name is not None:
            where.append("name = ?")
            values.append(wanted.name)
        if wanted.tag_name is not None:
            where.append(
                "CAST(id AS TEXT) IN (SELECT resource_id FROM taggings JOIN tags ON tags.id = tag_id"
                " WHERE resource_type = 'image' AND tags.name = ? COLLATE NOCASE)"
            )
            values.append(wanted.tag_name)
        return self._views(self.store.images.page(page, " AND ".join(where), *values))

    def get(self, reference: str) -> ImageView:
        """By id, or by slug when public. Raises NotFound."""
        image = self.find(reference) or self._gone(reference)
        if image is None:
            raise NotFound
        return self.view(image)

    def find(self, reference: str) -> Image | None:
        if reference.isdecimal() and len(reference) < 19:
            return self.store.images.first("id = ? AND NOT deleted", int(reference))
        return self.store.images.first("slug = ? AND NOT deleted", reference)

    def usable(self, reference: str, region: str, purpose: str) -> Image:
        """The image for a disk in a region. Raises Unprocessable in DigitalOcean's words."""
        image = self.find(reference)
        if image is None or image.status != AVAILABLE or (image.base and image.base not in BASES):
            raise Unprocessable(f"You specified an invalid image for Droplet {purpose}.")
        if image.region and region not in (image.region, *image.regions):
            raise Unprocessable("You specified an image that is not available in the region of the Droplet.")
        return image

    def _gone(self, reference: str) -> Image | None:
        """A custom image is still shown when it is deleted: its clients wait for that status."""
        number = int(reference) if reference.isdecimal() and len(reference) < 19 else 0
        return self.store.images.first("id = ? AND deleted AND type = 'custom'", number)

    def view(self, image: Image) -> ImageView:
        return ImageView(image, self.tags.of(IMAGE, [image.id])[image.id])

    def of_droplet(self, droplet_id: int, page: Page, type: str = SNAPSHOT) -> Listing[ImageView]:
        """A droplet's snapshots or backups, oldest first."""
        where = "droplet_id = ? AND type = ? AND NOT deleted"
        return self._views(self.store.images.page(page, where, droplet_id, type))

    def snapshots(self, page: Page) -> Listing[ImageView]:
        return self._views(self.store.images.page(page, "type = ? AND NOT deleted", SNAPSHOT))

    def edit(self, reference: int, name: str | None, distribution: str | None, description: str | None) -> ImageView:
        """Raises NotFound, Forbidden for a base image, Unprocessable for an empty name or an unknown distribution."""
        image = self.private(reference)
        if name is not None and not name:
            raise Unprocessable("Name can't be blank")
        if distribution is not None:
            check_distribution(distribution)
        wanted = {"name": name, "distribution": distribution, "description": description}
        changes = {field: value for field, value in wanted.items() if value is not None}
        if changes:
            self.store.images.update(image.id, **changes)
        return self.get(str(image.id))

    def delete(self, reference: int) -> None:
        """Droplets and images that stand on its layers keep them. Raises NotFound, Forbidden."""
        with self.store.transaction():
            if self._gone(str(reference)):
                raise Unprocessable("Image Can not delete an already deleted image.")
            image = self.private(reference)
            self.store.images.update(image.id, deleted=True)
            self.tags.forget(IMAGE, image.id)
        self.layers.collect()

    def private(self, reference: int) -> Image:
        """An image of the account's own. Raises NotFound, Forbidden."""
        image = self.find(str(reference))
        if image is None:
            raise NotFound
        if image.slug is not None:
            raise Forbidden("You do not have permission to change this image.")
        return image

    def _views(self, listing: Listing[Image]) -> Listing[ImageView]:
        tags = self.tags.of(IMAGE, [image.id for image in listing.items])
        return Listing([ImageView(image, tags[image.id]) for image in listing.items], listing.total)


def check_distribution(name: str) -> None:
    """Raises Unprocessable for what DigitalOcean does not know."""
    if name not in DISTRIBUTIONS:
        raise Unprocessable("You specified an invalid distribution for the image.")
