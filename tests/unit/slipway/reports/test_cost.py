"""The bill of an environment, and what a release adds to it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from slipway.environment.reference import Reference, Release
from slipway.errors import PipelineError
from slipway.names import Names
from slipway.reports import cost
from slipway.reports.prices import image_price
from slipway.tools.digitalocean import Cluster, Droplet, Image, Size

SIZES = {"s-1vcpu-1gb": Size("s-1vcpu-1gb", 6.0, 0.00893), "s-1vcpu-2gb": Size("s-1vcpu-2gb", 12.0, 0.01786)}
V1 = Release("v1", "c0ffee", "app-v1-0123456789ab", "s-1vcpu-1gb", "feed")
V0 = Release("v0", "c0ffee", "app-v0-0123456789ab", "s-1vcpu-2gb", "feed")
IMAGES = [Image(n, f"shop-v{n}-0123456789ab", "2026-11-21T10:00:00Z", 0.5, ()) for n in range(3)]
THEIRS = Image(9, "other-v1-0123456789ab", "2026-11-21T10:00:00Z", 0.5, ("slipway:other", "slipway"))
DATABASE = Cluster(
    "id",
    "shop-local",
    "online",
    "15",
    "db-s-1vcpu-1gb",
    1,
    "h",
    "p",
    25060,
    "doadmin",
    "secret",
    tags=("slipway:shop:local",),
)


def standing(release: Release) -> Droplet:
    size = SIZES[release.size]
    return Droplet(1, f"shop-local-{release.key}", "active", "", (), "", 0, size.slug, size.monthly, size.hourly)


def session(folder: Path, droplets: list[Droplet], reference: Reference, clusters: list[Cluster]) -> Any:
    path = folder / "local.tfvars.json"
    path.write_text(reference.dump())
    project = SimpleNamespace(size="s-1vcpu-1gb")
    cloud = SimpleNamespace(endpoint="http://cloud")
    return SimpleNamespace(
        settings=SimpleNamespace(
            project=project,
            environment="local",
            reference_path=path,
            names=Names("shop", "local"),
            tag="slipway:shop:local",
            cluster="shop-local",
            cloud=cloud,
        ),
        api=SimpleNamespace(
            images=lambda: [*IMAGES, THEIRS],
            sizes=lambda: SIZES,
            droplets=lambda tag: droplets,
            clusters=lambda: clusters,
        ),
    )


def test_a_release_retires_the_standby_and_makes_the_live_one_its_own(tmp_path: Path) -> None:
    reference = Reference({V0.key: V0, V1.key: V1}, V1.key, V0.key)
    now = cost.cost(session(tmp_path, [standing(V0), standing(V1)], reference, [DATABASE]), "v2")
    assert now.monthly == round(12.0 + 6.0 + 3 * 0.03, 2)
    assert now.release == cost.Release("v2", "s-1vcpu-1gb", round(now.monthly - 6.0, 2), -6.0, 0.03572)
    assert [item.monthly for item in now.items if item.kind == "database"] == [None]
    text = cost.render(now)
    assert "local costs $18.09 a month" in text and "(-$6.00)" in text and "no prices of databases" in text
    assert json.loads(json.dumps(now.as_json()))["release"]["change"] == -6.0


def test_the_first_release_costs_its_droplet(tmp_path: Path) -> None:
    now = cost.cost(session(tmp_path, [], Reference(), []), "v2", "s-1vcpu-2gb")
    assert now.release is not None and (now.release.change, now.release.overlap) == (12.0, 0.01786)


def test_without_a_version_it_is_only_what_there_is(tmp_path: Path) -> None:
    now = cost.cost(session(tmp_path, [standing(V1)], Reference({V1.key: V1}, V1.key, None), []))
    assert now.release is None and now.hourly == 0.00893


@pytest.mark.parametrize(
    ("version", "size", "says"), [("v9", None, "no image of version v9"), (None, "huge", "no size huge")]
)
def test_what_there_is_not_is_named(tmp_path: Path, version: str | None, size: str | None, says: str) -> None:
    with pytest.raises(PipelineError, match=says):
        cost.cost(session(tmp_path, [], Reference(), []), version, size)


def test_an_image_costs_at_least_a_cent() -> None:
    assert image_price(0.01) == 0.01 and image_price(10) == 0.6
