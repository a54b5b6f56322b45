"""Rebuilding, resizing, backing up: what is recorded, what a failure leaves, what a restart takes up again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from localocean.config import Config
from localocean.engine import backups
from localocean.engine.cloud import Cloud
from localocean.engine.droplet_actions import Wish
from localocean.engine.errors import Conflict, NotFound, Precondition, Unprocessable
from localocean.engine.floating import urn
from localocean.engine.limits import DROPLETS
from localocean.host.errors import HostError
from localocean.host.passwords import with_password
from localocean.host.seed import Seed, network_config
from localocean.store.records import ACTIVE, BACKUP, ERRORED, OFF, Page
from tests.unit.localocean.conftest import settle
from tests.unit.localocean.droplets import ORDER, create, last_action, ready
from tests.unit.localocean.machines import Rooms


def snapshot(cloud: Cloud, droplet_id: int) -> int:
    cloud.droplet_actions.act(droplet_id, Wish("snapshot", "snap"))
    settle(cloud)
    return cloud.images.of_droplet(droplet_id, Page()).items[-1].image.id


def test_a_rebuild_stands_on_its_image_while_that_is_deleted(cloud: Cloud, rooms: Rooms) -> None:
    droplet_id = ready(cloud)
    image = snapshot(cloud, droplet_id)
    rooms.gate.clear()
    cloud.droplet_actions.act(droplet_id, Wish("rebuild", image=str(image)))
    cloud.images.delete(image)
    rooms.gate.set()
    settle(cloud)
    assert cloud.droplets.record(droplet_id).layers == tuple(rooms.layers)
    assert len(rooms.layers) == 1
    cloud.droplet_actions.act(droplet_id, Wish("rebuild", image="debian-12-x64"))
    settle(cloud)
    assert rooms.layers == set()


def test_a_rebuild_wants_an_image_that_is_in_the_droplet_s_region(cloud: Cloud, rooms: Rooms) -> None:
    image = snapshot(cloud, ready(cloud))
    elsewhere = cloud.droplets.create(replace(ORDER, region="fra1"))[0][0].droplet.id
    settle(cloud)
    with pytest.raises(Unprocessable, match="region"):
        cloud.droplet_actions.act(elsewhere, Wish("rebuild", image=str(image)))
    cloud.custom_images.transfer(image, "fra1")
    settle(cloud)
    cloud.droplet_actions.act(elsewhere, Wish("rebuild", image=str(image)))
    settle(cloud)
    assert cloud.droplets.record(elsewhere).image_id == image


@pytest.mark.parametrize("step", ["delete", "mount", "start"])
def test_a_failed_rebuild_says_what_runs_and_can_be_repeated(cloud: Cloud, rooms: Rooms, step: str) -> None:
    droplet_id = ready(cloud)
    rooms.fail = step
    cloud.droplet_actions.act(droplet_id, Wish("rebuild", image="debian-12-x64"))
    settle(cloud)
    assert last_action(cloud, "rebuild")[0] == ERRORED
    assert cloud.droplets.record(droplet_id).status == OFF
    assert rooms.on == set()
    rooms.fail = ""
    cloud.droplet_actions.act(droplet_id, Wish("rebuild", image="debian-12-x64"))
    settle(cloud)
    assert (cloud.droplets.record(droplet_id).status, rooms.on) == (ACTIVE, {droplet_id})


def test_an_interrupted_rebuild_is_taken_up(start: Callable[[], Cloud], rooms: Rooms) -> None:
    crashed = start()
    droplet_id = ready(crashed)
    crashed.actions.stop()
    with crashed.store.transaction():
        crashed.droplet_actions.begin(crashed.droplets.record(droplet_id), Wish("rebuild", image="debian-12-x64"))
    rooms.on.clear()
    rooms.disks.clear()
    cloud = start()
    settle(cloud)
    assert (cloud.droplets.record(droplet_id).status, rooms.on) == (ACTIVE, {droplet_id})


def test_only_so_many_backups_are_kept(cloud: Cloud, rooms: Rooms) -> None:
    policy = backups.policy({"plan": "weekly"})
    droplet_id = cloud.droplets.create(replace(ORDER, backup_policy=policy))[0][0].droplet.id
    settle(cloud)
    for _ in range(6):
        cloud.droplet_actions.back_up(droplet_id)
        settle(cloud)
    assert cloud.images.of_droplet(droplet_id, Page(), BACKUP).total == len(rooms.layers) == 4
    assert len(cloud.droplets.get(droplet_id).backup_ids) == 4
    cloud.droplets.delete(droplet_id)
    settle(cloud)
    assert rooms.layers == set()


def test_a_failed_end_can_be_asked_for_again(cloud: Cloud, rooms: Rooms) -> None:
    droplet_id = ready(cloud)
    image = snapshot(cloud, droplet_id)
    rooms.fail = "delete"
    cloud.associated.destroy_some(droplet_id, [], [str(image)])
    settle(cloud)
    assert cloud.associated.last(droplet_id).status == ERRORED
    rooms.fail = ""
    rooms.gate.clear()
    cloud.associated.retry(droplet_id)
    with pytest.raises(Conflict):
        cloud.associated.retry(droplet_id)
    with pytest.raises(Conflict):
        cloud.associated.destroy_all(droplet_id)
    rooms.gate.set()
    settle(cloud)
    assert (rooms.disks, rooms.layers) == (set(), set())
    with pytest.raises(NotFound):
        cloud.associated.last(droplet_id + 1)


def test_an_address_that_goes_with_its_droplet_is_in_no_project(cloud: Cloud, rooms: Rooms) -> None:
    project = cloud.projects.create({"name": "shop", "purpose": "test"}).uuid
    droplet_id = ready(cloud)
    address = cloud.floating_ips.reserve("nyc3", project).record.address
    assert cloud.projects.of(urn(address)) == project
    cloud.floating_ips.assign(address, droplet_id)
    settle(cloud)
    cloud.associated.destroy_all(droplet_id)
    settle(cloud)
    assert cloud.store.memberships.find() == []


def test_an_address_is_in_the_project_of_its_droplet(cloud: Cloud, rooms: Rooms) -> None:
    first, second = (cloud.projects.create({"name": name, "purpose": "test"}).uuid for name in ("one", "two"))
    droplet_id = ready(cloud)
    droplet, address = f"do:droplet:{droplet_id}", cloud.floating_ips.reserve("nyc3", first).record.address
    cloud.floating_ips.assign(address, droplet_id)
    settle(cloud)
    assert (cloud.projects.resources(first), cloud.projects.of(urn(address))) == ([], cloud.projects.of(droplet))
    with pytest.raises(Precondition, match="Move the Droplet instead"):
        cloud.projects.assign(second, [urn(address)])
    answers = cloud.projects.assign(second, [urn(address), droplet])
    assert [answer.status for answer in answers] == ["already_assigned", "assigned"]
    assert [resource.urn for resource in cloud.projects.resources(second)] == [droplet, urn(address)]
    cloud.projects.delete(first)
    cloud.floating_ips.unassign(address)
    settle(cloud)
    assert cloud.projects.of(urn(address)) == cloud.projects.get("default").uuid


def test_the_limit_of_droplets_is_the_accounts(cloud: Cloud, rooms: Rooms) -> None:
    ten = replace(ORDER, names=["x"] * 10)
    for _ in range(DROPLETS // 10):
        cloud.droplets.create(ten)
    with pytest.raises(Unprocessable, match=r"^creating this/these droplet\(s\) will exceed your droplet limit$"):
        create(cloud)
    assert cloud.store.droplets.count() == DROPLETS
    settle(cloud)


@pytest.mark.parametrize(
    ("policy", "now", "start", "end"),
    [
        ({"hour": 4}, "2026-11-21T03:59", "2026-11-21T04:00:00Z", "2026-11-21T08:00:00Z"),
        ({"plan": "daily", "hour": 20}, "2026-11-21T20:00", "2026-11-22T20:00:00Z", "2026-11-23T00:00:00Z"),
        ({"plan": "weekly"}, "2026-11-21T12:00", "2026-11-22T00:00:00Z", "2026-11-22T04:00:00Z"),
        (
            {"plan": "weekly", "weekday": "SAT", "hour": 8},
            "2026-11-21T12:00",
            "2026-11-28T08:00:00Z",
            "2026-11-28T12:00:00Z",
        ),
    ],
)
def test_the_next_window_of_a_policy(policy: dict[str, Any], now: str, start: str, end: str) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert backups.next_window(backups.policy(policy), at) == {"start": start, "end": end}


@pytest.mark.parametrize(
    "policy", ["daily", {"plan": "hourly"}, {"plan": [1]}, {"hour": 5}, {"hour": True}, {"hour": [4]}, {"hour": 4.0}]
)
def test_a_policy_that_nobody_offers_is_refused(policy: object) -> None:
    with pytest.raises(Unprocessable, match="backup_policy"):
        backups.policy(policy)


def test_ipv6_addresses_follow_from_the_range(tmp_path: Path) -> None:
    config = Config.from_environment({"LOCALOCEAN_STATE": str(tmp_path), "LOCALOCEAN_RANGE": "198.18.16.0/20"})
    assert str(config.network6) == "fdc1:c612:1000::/64"
    assert str(config.gateway6) == "fdc1:c612:1000::1"
    address = IPv4Address("198.18.16.5")
    assert str(config.address6(address)) == "fdc1:c612:1000::c612:1005"
    seed = Seed("1", "web", [], "", address, config.public_network, config.gateway, address, config.vpc_range)
    assert "static6" not in str(network_config(seed))
    seed = replace(seed, address6=config.address6(address), gateway6=config.gateway6)
    assert {"type": "static6", "address": "fdc1:c612:1000::c612:1005/128", "gateway": "fdc1:c612:1000::1"} in (
        network_config(seed)["config"][0]["subnets"]  # type: ignore[index]
    )


def test_a_password_changes_roots_line_alone() -> None:
    shadow = "root:*:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\n"
    assert with_password(shadow, "$6$x") == shadow.replace("root:*", "root:$6$x")
    with pytest.raises(HostError):
        with_password("", "$6$x")
