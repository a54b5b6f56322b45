"""Droplets made over rooms that only remember."""

from __future__ import annotations

from localocean.engine.cloud import Cloud
from localocean.engine.droplets import DropletOrder
from localocean.store.records import ACTIVE, IN_PROGRESS
from tests.unit.localocean.conftest import settle

ORDER = DropletOrder(names=["web"], region="nyc3", size="s-1vcpu-1gb", image="debian-12-x64")


def create(cloud: Cloud) -> int:
    return cloud.droplets.create(ORDER)[0][0].droplet.id


def ready(cloud: Cloud) -> int:
    droplet_id = create(cloud)
    settle(cloud)
    assert cloud.droplets.record(droplet_id).status == ACTIVE
    return droplet_id


def last_action(cloud: Cloud, type: str) -> tuple[str, str]:
    action = cloud.store.actions.find("type = ?", type, newest=True)[0]
    assert (action.completed_at is None) == (action.status == IN_PROGRESS)
    return action.status, action.reason
