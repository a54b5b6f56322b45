"""Pending events, failures and restarts: what the engine does when the machine is slow, broken or gone."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from ipaddress import IPv4Address

import pytest

from localocean.engine import actions, overview
from localocean.engine.cloud import Cloud
from localocean.engine.droplet_actions import Wish
from localocean.engine.droplets import DropletOrder
from localocean.engine.errors import NotFound, Unprocessable
from localocean.store.records import ACTIVE, COMPLETED, ERRORED, IN_PROGRESS, OFF, Page
from tests.unit.localocean.conftest import settle
from tests.unit.localocean.droplets import ORDER, create, last_action, ready
from tests.unit.localocean.machines import Rooms


def test_one_pending_event_at_a_time(cloud: Cloud, rooms: Rooms) -> None:
    rooms.gate.clear()
    droplet_id = create(cloud)
    assert cloud.droplets.get(droplet_id).locked
    for type in ("shutdown", "snapshot", "reboot"):
        with pytest.raises(Unprocessable, match=r"^Droplet already has a pending event\.$"):
            cloud.droplet_actions.act(droplet_id, Wish(type))
    address = cloud.floating_ips.reserve("nyc3").record.address
    with pytest.raises(Unprocessable, match="Droplet already has a pending event"):
        cloud.floating_ips.assign(address, droplet_id)
    rooms.gate.set()
    settle(cloud)
    assert not cloud.droplets.get(droplet_id).locked


@pytest.mark.parametrize("step", ["ensure", "mount", "start"])
def test_a_droplet_that_cannot_be_made_leaves_nothing(start: Callable[[], Cloud], rooms: Rooms, step: str) -> None:
    rooms.fail = step
    cloud = start()
    droplet_id = create(cloud)
    settle(cloud)
    with pytest.raises(NotFound):
        cloud.droplets.get(droplet_id)
    assert last_action(cloud, "create") == (ERRORED, f"{step} failed. Try again.")
    assert overview.status(cloud)["errors"][0]["reason"] == f"{step} failed. Try again."
    assert (rooms.on, rooms.disks) == (set(), set())
    rooms.fail = ""
    ready(cloud)


@pytest.mark.parametrize("step, end, left", [("", COMPLETED, 1), ("start", ERRORED, 0)])
def test_an_end_that_the_disk_has_no_room_for_is_recorded_when_it_has(
    cloud: Cloud, rooms: Rooms, monkeypatch: pytest.MonkeyPatch, step: str, end: str, left: int
) -> None:
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    tries, update = iter(range(2)), cloud.store.actions.update

    def update_when_there_is_room(identifier: int, **changes: object) -> None:
        if next(tries, None) is not None:
            raise full
        update(identifier, **changes)

    monkeypatch.setattr(actions, "FULL_SECONDS", 0.01)
    monkeypatch.setattr(cloud.store.actions, "update", update_when_there_is_room)
    rooms.fail = step
    create(cloud)
    settle(cloud)
    assert last_action(cloud, "create")[0] == end
    assert [droplet.status for droplet in cloud.store.droplets.find()] == [ACTIVE] * left
    assert len(rooms.on) == left


def test_deleting_a_droplet_that_is_being_made(cloud: Cloud, rooms: Rooms) -> None:
    rooms.gate.clear()
    droplet_id = create(cloud)
    cloud.droplets.delete(droplet_id)
    cloud.droplets.delete(droplet_id)
    rooms.gate.set()
    settle(cloud)
    with pytest.raises(NotFound):
        cloud.droplets.get(droplet_id)
    assert (rooms.on, rooms.disks) == (set(), set())
    assert cloud.store.actions.count("type = 'destroy'") == 1


def test_a_failed_deletion_can_be_repeated(cloud: Cloud, rooms: Rooms) -> None:
    droplet_id = ready(cloud)
    rooms.fail = "delete"
    cloud.droplets.delete(droplet_id)
    settle(cloud)
    assert last_action(cloud, "destroy")[0] == ERRORED
    rooms.fail = ""
    cloud.droplets.delete(droplet_id)
    settle(cloud)
    assert rooms.disks == set()


def test_while_being_deleted_a_droplet_is_active_and_its_address_free(cloud: Cloud, rooms: Rooms) -> None:
    droplet_id = ready(cloud)
    address = cloud.floating_ips.reserve("nyc3").record.address
    cloud.floating_ips.assign(address, droplet_id)
    settle(cloud)
    assert IPv4Address(address) in rooms.floating
    rooms.gate.clear()
    cloud.droplets.delete(droplet_id)
    view = cloud.droplets.get(droplet_id)
    assert (view.droplet.status, view.locked) == (ACTIVE, False)
    assert cloud.floating_ips.get(address).droplet is None
    rooms.gate.set()
    settle(cloud)
    assert rooms.floating == {}


def test_a_droplet_has_one_address_also_while_that_is_on_its_way(cloud: Cloud, rooms: Rooms) -> None:
    droplet_id = ready(cloud)
    first, second = (cloud.floating_ips.reserve("nyc3").record.address for _ in range(2))
    rooms.gate.clear()
    cloud.floating_ips.assign(first, droplet_id)
    for _ in ("on its way", "there"):
        with pytest.raises(Unprocessable, match="already has a floating IP"):
            cloud.floating_ips.assign(second, droplet_id)
        with pytest.raises(Unprocessable, match="already has a floating IP"):
            cloud.floating_ips.reserve_for(droplet_id)
        rooms.gate.set()
        settle(cloud)
    cloud.floating_ips.assign(first, droplet_id)
    settle(cloud)
    assert cloud.store.floating_ips.count() == 2


def test_a_failed_move_leaves_the_address_where_it_was(cloud: Cloud, rooms: Rooms) -> None:
    first, second = ready(cloud), ready(cloud)
    address = cloud.floating_ips.reserve_for(first)[0].record.address
    settle(cloud)
    rooms.fail = "move_floating"
    cloud.floating_ips.assign(address, second)
    settle(cloud)
    assert last_action(cloud, "assign_ip")[0] == ERRORED
    assert cloud.floating_ips.record(address).droplet_id == first


def test_a_failed_snapshot_makes_no_image(cloud: Cloud, rooms: Rooms) -> None:
    droplet_id = ready(cloud)
    rooms.fail = "snapshot"
    cloud.droplet_actions.act(droplet_id, Wish("snapshot", "x"))
    settle(cloud)
    assert last_action(cloud, "snapshot")[0] == ERRORED
    assert cloud.images.snapshots(Page()).total == 0
    assert cloud.droplets.record(droplet_id).status == ACTIVE
    cloud.layers.collect()
    assert cloud.store.layers.count() == 0


def test_layers_stay_while_somebody_stands_on_them(cloud: Cloud, rooms: Rooms) -> None:
    droplet_id = ready(cloud)
    cloud.droplet_actions.act(droplet_id, Wish("snapshot", "one"))
    settle(cloud)
    (image,) = cloud.images.of_droplet(droplet_id, Page()).items
    order = DropletOrder(["child"], "nyc3", "s-1vcpu-1gb", str(image.image.id))
    child = cloud.droplets.create(order)[0][0].droplet.id
    settle(cloud)
    cloud.images.delete(image.image.id)
    assert len(rooms.layers) == 1
    cloud.droplets.delete(child)
    settle(cloud)
    assert rooms.layers == set()


def test_what_a_crash_interrupted_is_finished(start: Callable[[], Cloud], rooms: Rooms) -> None:
    crashed = start()
    made, off = ready(crashed), ready(crashed)
    crashed.actions.stop()
    with crashed.store.transaction():
        crashed.droplet_actions.begin(crashed.droplets.record(off), Wish("power_off"))
        crashed.droplet_actions.begin(crashed.droplets.record(made), Wish("snapshot", "snap"))
    new = crashed.droplets.create(ORDER)[0][0].droplet.id

    cloud = start()
    settle(cloud)
    assert cloud.droplets.record(new).status == ACTIVE
    assert cloud.droplets.record(off).status == OFF
    assert [view.image.name for view in cloud.images.snapshots(Page()).items] == ["snap"]
    assert rooms.on == {made, new}


def test_the_disk_of_one_that_is_off_does_not_stay_mounted_for_what_is_still_to_be_done(
    start: Callable[[], Cloud], rooms: Rooms
) -> None:
    crashed = start()
    off = ready(crashed)
    crashed.droplet_actions.act(off, Wish("power_off"))
    settle(crashed)
    crashed.actions.stop()
    with crashed.store.transaction():
        crashed.droplet_actions.begin(crashed.droplets.record(off), Wish("snapshot", "snap"))
    rooms.open.add(off)
    settle(start())
    assert rooms.open == set()


def test_a_reset_removes_what_an_earlier_removal_left(cloud: Cloud, rooms: Rooms) -> None:
    ready(cloud)
    rooms.disks.add(4711)
    cloud.reset()
    assert rooms.disks == set()


def test_a_machine_that_ends_with_its_host_was_not_powered_off(cloud: Cloud, rooms: Rooms) -> None:
    droplet_id = ready(cloud)
    rooms.going_down = True
    rooms.on.clear()
    cloud.lifecycle.notice_off(droplet_id)
    assert cloud.droplets.record(droplet_id).status == ACTIVE
    rooms.going_down = False
    cloud.lifecycle.notice_off(droplet_id)
    assert cloud.droplets.record(droplet_id).status == OFF


def test_what_should_run_is_booted_again(start: Callable[[], Cloud], rooms: Rooms) -> None:
    first = start()
    kept, off = ready(first), ready(first)
    first.droplet_actions.act(off, Wish("power_off"))
    address = first.floating_ips.reserve_for(kept)[0].record.address
    settle(first)
    first.actions.stop()
    rooms.on.clear()
    rooms.floating.clear()
    cloud = start()
    settle(cloud)
    assert rooms.on == {kept}
    assert last_action(cloud, "power_on")[0] == COMPLETED
    assert list(rooms.floating) == [IPv4Address(address)]


def test_a_stop_keeps_what_waits_for_the_base_image(start: Callable[[], Cloud], rooms: Rooms) -> None:
    rooms.gate.clear()
    cloud = start()
    droplet_id = create(cloud)
    cloud.actions.stop()
    assert last_action(cloud, "create")[0] == IN_PROGRESS
    rooms.gate.set()
    again = start()
    settle(again)
    assert again.droplets.record(droplet_id).status == ACTIVE


def test_reset_forgets_everything_but_counts_on(cloud: Cloud, rooms: Rooms) -> None:
    droplet_id = ready(cloud)
    cloud.droplet_actions.act(droplet_id, Wish("snapshot", "one"))
    settle(cloud)
    cloud.reset()
    assert (rooms.on, rooms.disks, rooms.layers) == (set(), set(), set())
    assert cloud.droplets.page(Page()).total == 0
    assert ready(cloud) > droplet_id
