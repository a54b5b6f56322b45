"""Database clusters over rooms that only remember: records, jobs, failures."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from localocean.engine.cloud import Cloud
from localocean.engine.databases import settings
from localocean.engine.databases.numbers import number
from localocean.engine.droplets import DropletOrder
from localocean.engine.errors import Forbidden, NotFound, Precondition, Unprocessable, Unsupported
from localocean.store.records import DatabaseNode, Droplet, Page
from tests.unit.localocean.clusters import ORDER, make, server
from tests.unit.localocean.conftest import settle
from tests.unit.localocean.machines import Rooms


def test_a_cluster_comes_up_with_its_administrator_and_database(cloud: Cloud, rooms: Rooms) -> None:
    begun = cloud.databases.create(ORDER)
    assert begun.cluster.status == "creating"
    settle(cloud)
    view = cloud.databases.get(begun.cluster.uuid)
    assert (view.cluster.status, view.node.status, view.admin.name) == ("online", "online", "doadmin")
    assert server(cloud, rooms, view).users == {"doadmin": view.admin.password}
    assert server(cloud, rooms, view).databases == {"defaultdb"}
    assert number(view.node.id) in rooms.on


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"engine": "mysql"}, Unsupported),
        ({"engine": "oracle"}, Unprocessable),
        ({"version": "9"}, Unprocessable),
        ({"size": "s-1vcpu-1gb"}, Unprocessable),
        ({"nodes": 2}, Unsupported),
        ({"nodes": 4}, Unprocessable),
        ({"region": "mars1"}, Unprocessable),
        ({"name": "Data!"}, Unprocessable),
        ({"name": "first"}, Unprocessable),
        ({"storage": 1}, Unprocessable),
        ({"vpc": "none"}, Unprocessable),
        ({"project": "none"}, Unprocessable),
        ({"tags": ["no tag"]}, Unprocessable),
        ({"rules": [("ip_addr", "everywhere")]}, Unprocessable),
        ({"rules": [("k8s", "x")]}, Unsupported),
    ],
)
def test_what_cannot_be_made_leaves_no_record(cloud: Cloud, fields: dict[str, object], error: type[Exception]) -> None:
    make(cloud, name="first")
    before = [table.find() for table in cloud.store.tables()]
    with pytest.raises(error):
        make(cloud, **fields)
    assert [table.find() for table in cloud.store.tables()] == before


def test_a_failed_creation_leaves_only_the_memory_of_why(cloud: Cloud, rooms: Rooms) -> None:
    rooms.fail = "wait_ready"
    identifier = cloud.databases.create(ORDER).cluster.uuid
    settle(cloud)
    with pytest.raises(Unprocessable, match="could not be created: wait_ready failed"):
        cloud.databases.get(identifier)
    assert cloud.databases.page(Page()).total == 0
    assert (rooms.on, rooms.disks, rooms.entrances) == (set(), set(), [])
    rooms.fail = ""
    assert make(cloud).cluster.status == "online"
    cloud.databases.delete(identifier)
    with pytest.raises(NotFound):
        cloud.databases.delete(identifier)
    settle(cloud)


def test_a_deleted_cluster_is_gone_at_once_and_frees_everything(cloud: Cloud, rooms: Rooms) -> None:
    view = make(cloud, tags=["fuzz"], rules=[("ip_addr", "10.0.0.0/8")])
    cloud.databases.delete(view.cluster.uuid)
    with pytest.raises(NotFound):
        cloud.databases.get(view.cluster.uuid)
    settle(cloud)
    assert (rooms.on, rooms.disks, rooms.entrances) == (set(), set(), [])
    for table in cloud.store.tables():
        stays = table.name in ("database_backups", "database_readers")
        assert not table.name.startswith("database") or table.count() == stays
    assert cloud.tags.get("fuzz").taggings == []


def test_one_that_is_deleted_while_it_is_made_is_gone(cloud: Cloud, rooms: Rooms) -> None:
    rooms.gate.clear()
    identifier = cloud.databases.create(ORDER).cluster.uuid
    cloud.databases.delete(identifier)
    rooms.gate.set()
    settle(cloud)
    assert (rooms.on, rooms.disks) == (set(), set())
    assert cloud.store.database_clusters.count() == cloud.store.database_nodes.count() == 0


def test_a_cluster_that_is_not_ready_says_so(cloud: Cloud, rooms: Rooms) -> None:
    rooms.gate.clear()
    identifier = cloud.databases.create(ORDER).cluster.uuid
    for ask in (cloud.database_users.create_user, cloud.database_users.create_name):
        with pytest.raises(Precondition, match="creating"):
            ask(identifier, "app")
    rooms.gate.set()


def test_resizing(cloud: Cloud) -> None:
    identifier = make(cloud).cluster.uuid
    cloud.databases.resize(identifier, "db-s-2vcpu-4gb", 1, 0)
    assert cloud.databases.get(identifier).cluster.status == "resizing"
    settle(cloud)
    view = cloud.databases.get(identifier)
    assert (view.cluster.status, view.cluster.size, view.node.size) == ("online", *["db-s-2vcpu-4gb"] * 2)
    assert view.cluster.storage_mib == 60 * 1024
    with pytest.raises(Unprocessable):
        cloud.databases.resize(identifier, "db-s-1vcpu-1gb", 1, 0)


def test_a_failed_resize_leaves_the_cluster_as_it_was(cloud: Cloud, rooms: Rooms) -> None:
    identifier = make(cloud).cluster.uuid
    rooms.fail = "start"
    cloud.databases.resize(identifier, "db-s-2vcpu-4gb", 1, 0)
    settle(cloud)
    rooms.fail = ""
    view = cloud.databases.get(identifier)
    assert (view.cluster.status, view.cluster.size, view.node.size) == ("online", *["db-s-1vcpu-1gb"] * 2)


def test_moving_to_another_region_changes_the_private_network(cloud: Cloud) -> None:
    before = make(cloud)
    cloud.databases.migrate(before.cluster.uuid, "ams3", None)
    settle(cloud)
    after = cloud.databases.get(before.cluster.uuid)
    assert (after.cluster.region, after.cluster.status) == ("ams3", "online")
    assert after.vpc != before.vpc and after.node.private_address != before.node.private_address
    assert after.node.public_address == before.node.public_address


def test_no_two_machines_share_an_address(cloud: Cloud) -> None:
    order = DropletOrder(["one", "two"], "nyc3", "s-1vcpu-1gb", "debian-12-x64")
    droplets = [view.droplet for view, _ in cloud.droplets.create(order)]
    nodes = [make(cloud, name=name).node for name in ("first", "second")]
    cloud.droplets.create(order)
    machines: list[Droplet | DatabaseNode] = [*cloud.store.droplets.find(), *nodes]
    assert len({each.public_address for each in machines}) == len({each.private_address for each in machines}) == 6
    assert droplets


def test_a_vpc_with_a_database_stays(cloud: Cloud) -> None:
    vpc = cloud.vpcs.create("data", "nyc3")
    view = make(cloud, vpc=vpc.uuid)
    assert IPv4Address(view.node.private_address) in IPv4Network(cloud.vpcs.get(vpc.uuid).ip_range)
    with pytest.raises(Forbidden):
        cloud.vpcs.delete(vpc.uuid)
    cloud.databases.delete(view.cluster.uuid)
    settle(cloud)
    cloud.vpcs.delete(vpc.uuid)


def test_a_fault_takes_the_network_of_a_cluster(cloud: Cloud, rooms: Rooms) -> None:
    view = make(cloud)
    links = cloud.config.interfaces(number(view.node.id))
    fault = cloud.add_fault({"kind": "network", "effect": "lost", "database_id": view.cluster.uuid})
    assert rooms.muted == {links}
    cloud.clear_faults(fault.id)
    assert rooms.muted == set()
    with pytest.raises(NotFound):
        cloud.add_fault({"kind": "network", "effect": "lost", "database_id": "none"})


def test_a_cluster_has_tags_and_a_project(cloud: Cloud) -> None:
    project = cloud.projects.create({"name": "shop", "purpose": "test"})
    view = make(cloud, tags=["web"], project=project.uuid)
    assert (view.tags, view.project) == (["web"], project.uuid)
    assert [each.resource_id for each in cloud.tags.get("web").taggings] == [view.cluster.uuid]
    assert [each.urn for each in cloud.projects.resources(project.uuid)] == [f"do:dbaas:{view.cluster.uuid}"]


def test_a_reset_forgets_clusters(cloud: Cloud, rooms: Rooms) -> None:
    make(cloud)
    cloud.reset()
    assert (rooms.on, rooms.disks, rooms.entrances) == (set(), set(), [])
    assert cloud.store.database_clusters.count() == cloud.store.database_nodes.count() == 0


@pytest.mark.parametrize(
    ("day", "hour", "kept"), [("Friday", "13:00", "13:00:00"), ("any", "23:59:30", "23:59:30"), ("monday", "24:00", "")]
)
def test_maintenance_windows(day: str, hour: str, kept: str) -> None:
    if kept:
        assert settings.window(day, hour) == {"maintenance_day": day.lower(), "maintenance_hour": kept}
    else:
        with pytest.raises(Unprocessable):
            settings.window(day, hour)


def test_there_is_one_version_to_upgrade_to(cloud: Cloud) -> None:
    view = make(cloud)
    for version in ("15", "16", "", "x"):
        with pytest.raises(Unprocessable):
            cloud.databases.upgrade(view.cluster.uuid, version)


def test_what_was_done_is_told_newest_first(cloud: Cloud) -> None:
    view = make(cloud)
    cloud.databases.configure(view.cluster.uuid, {"jit": False})
    found = cloud.databases.events(view.cluster.uuid, Page())
    assert [action.type for action in found.items] == ["database_configure", "database_create"]
