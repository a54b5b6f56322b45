"""What a cloud does not offer is refused before anything is made."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slipway.database import cluster
from slipway.graph import offered
from slipway.project import DatabaseSettings
from slipway.tools.digitalocean import Cluster, Size

OPTIONS = {
    "regions": ["fra1", "ams3"],
    "versions": ["14", "15"],
    "layouts": [
        {"num_nodes": 1, "sizes": ["db-s-1vcpu-1gb", "db-s-1vcpu-2gb"]},
        {"num_nodes": 2, "sizes": ["db-s-1vcpu-2gb"]},
    ],
}
WANTED = DatabaseSettings(version="15", size="db-s-1vcpu-1gb", nodes=1)
CLUSTER = Cluster("id", "slipway-local", "online", "15", "db-s-1vcpu-1gb", 1, "", "", 1, "", "", "fra1")
SIZES = {
    "s-1vcpu-1gb": Size("s-1vcpu-1gb", 6, 0.009, ("fra1",)),
    "s-2vcpu-2gb": Size("s-2vcpu-2gb", 18, 0.027, ("fra1",), available=False),
}


def test_what_is_offered_is_not_refused() -> None:
    assert list(offered.refusals(OPTIONS, WANTED, "fra1", None)) == []
    assert list(offered.refusals(OPTIONS, WANTED, "fra1", CLUSTER)) == []


@pytest.mark.parametrize(
    ("changed", "region", "said"),
    [
        ({"version": "16"}, "fra1", "no PostgreSQL 16, but 14, 15"),
        ({}, "nyc3", "no database in nyc3"),
        ({"nodes": 7}, "fra1", "no database with 7 nodes, but with 1, 2"),
        ({"nodes": 2}, "fra1", "no database of size db-s-1vcpu-1gb with 2 nodes"),
        ({"size": "db-s-99"}, "fra1", "no database of size db-s-99"),
    ],
)
def test_a_cluster_that_cannot_be_had_is_refused(changed: dict[str, object], region: str, said: str) -> None:
    (found,) = offered.refusals(OPTIONS, replace(WANTED, **changed), region, None)  # type: ignore[arg-type]
    assert said in found


def test_a_cluster_keeps_what_is_not_offered_any_more() -> None:
    old = replace(CLUSTER, version="13", size="db-old")
    assert list(offered.refusals(OPTIONS, replace(WANTED, version="13", size="db-old"), "fra1", old)) == []


def test_a_droplet_of_a_size_that_there_is_not_is_refused() -> None:
    assert offered.droplet_refusal(SIZES, "s-1vcpu-1gb", "fra1") == ""
    assert "no droplet size 's-99'; it has s-1vcpu-1gb" in offered.droplet_refusal(SIZES, "s-99", "fra1")
    assert "no droplets of size s-1vcpu-1gb in ams3" in offered.droplet_refusal(SIZES, "s-1vcpu-1gb", "ams3")
    assert offered.droplet_refusal(SIZES, "s-2vcpu-2gb", "fra1")


@pytest.mark.parametrize(
    ("changed", "region", "said"),
    [
        ({"version": "14"}, "fra1", "runs PostgreSQL 15 and slipway.toml says 14"),
        ({}, "ams3", "move the database slipway-local from fra1 to ams3"),
        ({"size": "db-s-1vcpu-512mb"}, "fra1", "shrink the database"),
        ({"nodes": 0}, "fra1", "take nodes away"),
    ],
)
def test_what_would_lose_data_or_take_it_away_is_harm(changed: dict[str, object], region: str, said: str) -> None:
    (found,) = cluster.harm(replace(WANTED, **changed), region, CLUSTER)  # type: ignore[arg-type]
    assert said in found


def test_a_larger_cluster_is_no_harm() -> None:
    assert list(cluster.harm(replace(WANTED, size="db-s-2vcpu-4gb", nodes=2), "fra1", CLUSTER)) == []


@pytest.mark.parametrize(
    ("wanted", "now", "smaller"),
    [
        ("db-s-1vcpu-2gb", "db-s-1vcpu-1gb", False),
        ("db-s-1vcpu-1gb", "db-s-1vcpu-2gb", True),
        ("gd-2vcpu-8gb", "db-s-4vcpu-8gb", True),
        ("db-intel-4vcpu-8gb", "db-s-2vcpu-4gb", False),
        ("db-special", "db-s-2vcpu-4gb", True),
        ("db-special", "db-special", False),
    ],
)
def test_sizes_are_compared_by_their_names(wanted: str, now: str, smaller: bool) -> None:
    assert cluster.is_smaller(wanted, now) is smaller
