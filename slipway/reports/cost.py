"""What an environment costs, now and with a release: prices as the API tells them, in USD."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from slipway.environment import reference
from slipway.environment.reference import Reference
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.image import image
from slipway.image.image import version_of
from slipway.names import ProjectNames
from slipway.reports.prices import image_price
from slipway.text import dollars, table
from slipway.tools.digitalocean import Droplet, Image, Size


@dataclass(frozen=True)
class Item:
    """Something that is paid for. ``monthly`` is in USD, None where the API tells no price."""

    kind: str
    name: str
    size: str
    monthly: float | None


@dataclass(frozen=True)
class Release:
    """What a release changes, in USD: a month's price after it, and what an hour costs while old and new ones stand."""

    version: str
    size: str
    monthly: float
    change: float
    overlap: float


@dataclass(frozen=True)
class Cost:
    """An environment's bill. ``monthly`` is the sum of what has a price; ``hourly`` is that of its droplets now."""

    environment: str
    items: Sequence[Item]
    monthly: float
    hourly: float
    release: Release | None
    notes: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)


def cost(session: Session, version: str | None = None, size: str | None = None) -> Cost:
    """What there is now, and what a release of a version (by default another one of the live one's size) would cost.

    Raises PipelineError for a version without an image, and for a size that the cloud does not have.
    """
    settings, api = session.settings, session.api
    current, images, sizes = reference.read(settings.reference_path), api.images(), api.sizes()
    if version:
        image.find(settings.names, images, version)
    wanted = size or (current.releases[current.live].size if current.live else settings.project.droplet.size)
    if wanted not in sizes:
        raise PipelineError(f"{settings.cloud.endpoint} has no size {wanted}.", f"It has {', '.join(sorted(sizes))}.")
    droplets = api.droplets(settings.tag)
    clusters = [each for each in api.clusters() if each.name == settings.cluster and settings.tag in each.tags]
    databases = [
        Item("database", each.name, f"{each.nodes} × {each.size}" if each.nodes > 1 else each.size, None)
        for each in clusters
    ]
    items = [*_droplets(droplets), *databases, *_images(settings.names, images)]
    monthly = _sum(items)
    release = None
    if version or size:
        release = _release(current, droplets, sizes, version or "another", wanted, monthly)
    notes = ["The API tells no prices of databases: they are not in the sums."] if databases else []
    notes += (
        ["Images are shared by all environments of the project."] if any(item.kind == "image" for item in items) else []
    )
    hourly = round(sum(droplet.hourly for droplet in droplets), 5)
    return Cost(settings.environment, items, monthly, hourly, release, notes)


def _droplets(droplets: Sequence[Droplet]) -> list[Item]:
    return [Item("droplet", each.name, each.size, each.monthly) for each in droplets]


def _images(names: ProjectNames, images: Sequence[Image]) -> list[Item]:
    ours = [each for each in images if version_of(names, each)]
    return [Item("image", each.name, f"{each.size:g} GB", image_price(each.size)) for each in ours]


def _release(
    current: Reference, droplets: Sequence[Droplet], sizes: dict[str, Size], version: str, size: str, monthly: float
) -> Release:
    """After it the new one and the live one, as its standby, are there; while it is made all of today's are, too."""
    now = sum(droplet.monthly for droplet in droplets)
    after = sizes[size].monthly + (_price(current, droplets, sizes) if current.live else 0.0)
    change = round(after - now, 2)
    overlap = sum(droplet.hourly for droplet in droplets) + sizes[size].hourly
    return Release(version, size, round(monthly + change, 2), change, round(overlap, 5))


def _price(current: Reference, droplets: Sequence[Droplet], sizes: dict[str, Size]) -> float:
    """A month of the live release's droplet: what it is asked for, else what its size costs."""
    live = current.releases[current.live or ""]
    standing = next((each.monthly for each in droplets if each.name.endswith(live.key)), None)
    if standing is not None:
        return standing
    return sizes[live.size].monthly if live.size in sizes else 0.0


def _sum(items: Sequence[Item]) -> float:
    return round(sum(item.monthly or 0 for item in items), 2)


def render(cost: Cost) -> str:
    """A bill as a person reads it."""
    rows = [(i.kind, i.name, i.size, "?" if i.monthly is None else dollars(i.monthly)) for i in cost.items]
    lines = [table([("what", "name", "size", "a month"), *rows])] if rows else []
    lines.append(f"{cost.environment} costs {dollars(cost.monthly)} a month.")
    if release := cost.release:
        more = f"{'+' if release.change >= 0 else '-'}{dollars(abs(release.change))}"
        lines.append(
            f"After a release of {release.version} ({release.size}) it costs {dollars(release.monthly)} ({more});"
            f" while it is made the droplets cost ${release.overlap:.4f} an hour instead of ${cost.hourly:.4f}."
        )
    return "\n".join([*lines, *(f"! {note}" for note in cost.notes)])
