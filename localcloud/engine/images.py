"""Images: the bases, and droplets' snapshots, whose files are layers shared between whoever stands on them."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.engine.catalogue import BASES
from localcloud.engine.errors import Forbidden, NotFound, Unprocessable
from localcloud.engine.layers import Layers
from localcloud.engine.records import IMAGE, Image, Listing, Page
from localcloud.engine.store import Store
from localcloud.engine.tags import Tags


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
    """Base images are everyone's and have a slug; snapshots are private and have none."""

    def __init__(self, store: Store, tags: Tags, layers: Layers) -> None:
        self.store = store
        self.tags = tags
        self.layers = layers

    def seed(self) -> None:
        """Record the base images of the catalogue."""
        with self.store.transaction():
            for base in BASES.values():
                if self.store.images.get(base.id) is None:
                    self.store.images.add(
                        Image(
                            id=base.id,
                            name=base.name,
                            slug=base.slug,
                            distribution=base.distribution,
                            description=f"{base.distribution} {base.name}",
                            base=base.slug,
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
        image = self.find(reference)
        if image is None:
            raise NotFound
        return self.view(image)

    def find(self, reference: str) -> Image | None:
        if reference.isdecimal() and len(reference) < 19:
            return self.store.images.first("id = ? AND NOT deleted", int(reference))
        return self.store.images.first("slug = ? AND NOT deleted", reference)

    def view(self, image: Image) -> ImageView:
        return ImageView(image, self.tags.of(IMAGE, [image.id])[image.id])

    def of_droplet(self, droplet_id: int, page: Page) -> Listing[ImageView]:
        """A droplet's snapshots, oldest first."""
        return self._views(self.store.images.page(page, "droplet_id = ? AND NOT deleted", droplet_id))

    def snapshots(self, page: Page) -> Listing[ImageView]:
        return self._views(self.store.images.page(page, "slug IS NULL AND NOT deleted"))

    def edit(self, reference: int, name: str | None, distribution: str | None, description: str | None) -> ImageView:
        """Raises NotFound, Forbidden for a base image, Unprocessable for an empty name."""
        image = self._private(reference)
        if name is not None and not name:
            raise Unprocessable("Name can't be blank")
        wanted = {"name": name, "distribution": distribution, "description": description}
        changes = {field: value for field, value in wanted.items() if value is not None}
        if changes:
            self.store.images.update(image.id, **changes)
        return self.get(str(image.id))

    def delete(self, reference: int) -> None:
        """Droplets and images that stand on its layers keep them. Raises NotFound, Forbidden."""
        with self.store.transaction():
            image = self._private(reference)
            self.store.images.update(image.id, deleted=True)
            self.tags.forget(IMAGE, image.id)
        self.layers.collect()

    def _private(self, reference: int) -> Image:
        image = self.find(str(reference))
        if image is None:
            raise NotFound
        if image.slug is not None:
            raise Forbidden("You do not have permission to change this image.")
        return image

    def _views(self, listing: Listing[Image]) -> Listing[ImageView]:
        tags = self.tags.of(IMAGE, [image.id for image in listing.items])
        return Listing([ImageView(image, tags[image.id]) for image in listing.items], listing.total)
