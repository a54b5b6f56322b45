"""Database clusters over rooms that only remember: records, jobs, failures, and who is let in."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from localocean.engine.cloud import Cloud
from localocean.engine.databases import settings
from localocean.engine.databases.clusters import ClusterOrder, ClusterView
from localocean.engine.databases.numbers import number
from localocean.engine.droplets import DropletOrder
from localocean.engine.errors import Forbidden, NotFound, Precondition, Unprocessable, Unsupported
from localocean.host.errors import HostError
from localocean.store.records import DatabaseNode, Droplet, Page
from tests.unit.localocean.conftest import settle
from tests.unit.localocean.machines import Rooms, Server

ORDER = ClusterOrder("data", "pg", "15", "db-s-1vcpu-1gb", "nyc3", 1)


def make(cloud: Cloud, **fields: object) -> ClusterView:
    found = cloud.databases.create(replace(ORDER, **fields))  # type: ignore[arg-type]
    settle(cloud)
    return cloud.databases.get(found.cluster.uuid)


def server(cloud: Cloud, rooms: Rooms, view: ClusterView) -> Server:
    return rooms.server(cloud.database_nodes.unit(view.node))


def let_in(rooms: Rooms, view: ClusterView) -> tuple[set[str], set[str]]:
    """The machines by public address, and the networks, that may enter a cluster."""
    entrance = next(e for e in rooms.entrances if str(e.database.public_address) == view.node.public_address)
    return {str(each.public_address) for each in entrance.machines}, set(map(str, entrance.networks))


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


def test_users_and_databases(cloud: Cloud, rooms: Rooms) -> None:
    view = make(cloud)
    there = server(cloud, rooms, view)
    made = cloud.database_users.create_user(view.cluster.uuid, "app")
    assert there.users["app"] == made.password
    fresh = cloud.database_users.reset_user(view.cluster.uuid, "app")
    assert there.users["app"] == fresh.password != made.password
    cloud.database_users.create_name(view.cluster.uuid, "app")
    assert there.databases == {"defaultdb", "app"}
    for again in (cloud.database_users.create_user, cloud.database_users.create_name):
        with pytest.raises(Unprocessable):
            again(view.cluster.uuid, "app")
    with pytest.raises(Unprocessable):
        cloud.database_users.delete_user(view.cluster.uuid, "doadmin")
    cloud.database_users.delete_user(view.cluster.uuid, "app")
    cloud.database_users.delete_name(view.cluster.uuid, "app")
    assert (set(there.users), there.databases) == ({"doadmin"}, {"defaultdb"})
    with pytest.raises(NotFound):
        cloud.database_users.user(view.cluster.uuid, "app")


@pytest.mark.parametrize("name", ["", "postgres", "pg_monitor", "a b", "x" * 64, "ä", "1a"])
def test_names_that_the_server_keeps_for_itself_are_refused(cloud: Cloud, name: str) -> None:
    view = make(cloud)
    with pytest.raises(Unprocessable):
        cloud.database_users.create_user(view.cluster.uuid, name)


def test_what_the_server_refuses_is_not_recorded(cloud: Cloud, rooms: Rooms) -> None:
    view = make(cloud)
    rooms.fail = "create_user"
    with pytest.raises(HostError, match="create_user failed"):
        cloud.database_users.create_user(view.cluster.uuid, "app")
    with pytest.raises(NotFound):
        cloud.database_users.user(view.cluster.uuid, "app")
    old = view.admin.password
    rooms.fail = "set_password"
    with pytest.raises(HostError):
        cloud.database_users.reset_user(view.cluster.uuid, "doadmin")
    assert cloud.database_users.user(view.cluster.uuid, "doadmin").password == old


def test_a_cluster_that_is_not_ready_says_so(cloud: Cloud, rooms: Rooms) -> None:
    rooms.gate.clear()
    identifier = cloud.databases.create(ORDER).cluster.uuid
    for ask in (cloud.database_users.create_user, cloud.database_users.create_name):
        with pytest.raises(Precondition, match="creating"):
            ask(identifier, "app")
    rooms.gate.set()


def test_no_password_is_kept_in_an_action(cloud: Cloud) -> None:
    view = make(cloud)
    cloud.database_users.create_user(view.cluster.uuid, "app")
    cloud.database_users.reset_user(view.cluster.uuid, "app")
    passwords = [user.password for user in cloud.store.database_users.find()]
    said = repr(cloud.store.actions.find())
    assert not any(password in said for password in passwords)


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


def test_a_machine_that_died_is_started_again(cloud: Cloud, rooms: Rooms) -> None:
    view = make(cloud)
    rooms.going_down = True
    rooms.on.clear()
    cloud.database_jobs.revive()
    assert cloud.store.actions.count("type = 'database_boot'") == 0, "nothing starts on a host that goes down"
    rooms.going_down = False
    cloud.database_jobs.revive()
    settle(cloud)
    assert rooms.on == {number(view.node.id)}


def test_after_a_crash_of_the_host_clusters_come_back(start: Callable[[], Cloud], rooms: Rooms) -> None:
    view = make(start())
    rooms.on.clear()
    cloud = start()
    settle(cloud)
    assert rooms.on == {number(view.node.id)}
    assert cloud.databases.get(view.cluster.uuid).cluster.status == "online"


def test_the_firewall_follows_droplets_and_tags(cloud: Cloud, rooms: Rooms) -> None:
    view = make(cloud)
    assert let_in(rooms, view) == (set(), {"0.0.0.0/0"})
    cloud.databases.trust(view.cluster.uuid, [("tag", "web"), ("ip_addr", "203.0.113.7")])
    assert let_in(rooms, view) == (set(), {"203.0.113.7/32"})
    order = DropletOrder(["one"], "nyc3", "s-1vcpu-1gb", "debian-12-x64", tags=["Web"])
    [(droplet, _)] = cloud.droplets.create(order)
    settle(cloud)
    address = droplet.droplet.public_address
    assert let_in(rooms, view)[0] == {address}
    cloud.tags.detach("Web", [("droplet", str(droplet.droplet.id))])
    assert let_in(rooms, view)[0] == set()
    cloud.tags.attach("Web", [("droplet", str(droplet.droplet.id))])
    assert let_in(rooms, view)[0] == {address}
    cloud.tags.delete("Web")
    assert let_in(rooms, view)[0] == set()
    cloud.databases.trust(view.cluster.uuid, [("droplet", str(droplet.droplet.id))])
    assert let_in(rooms, view) == ({address}, set())
    cloud.droplets.delete(droplet.droplet.id)
    settle(cloud)
    assert let_in(rooms, view) == (set(), set())
    cloud.databases.trust(view.cluster.uuid, [])
    assert let_in(rooms, view) == (set(), {"0.0.0.0/0"})


def test_a_rule_that_stays_keeps_its_id(cloud: Cloud) -> None:
    view = make(cloud, rules=[("ip_addr", "10.0.0.0/8")])
    [before] = cloud.trusted.rules(view.cluster.id)
    cloud.databases.trust(view.cluster.uuid, [("tag", "web"), ("ip_addr", "10.0.0.0/8"), ("tag", "web")])
    rules = cloud.trusted.rules(view.cluster.id)
    assert [(rule.type, rule.value) for rule in rules] == [("ip_addr", "10.0.0.0/8"), ("tag", "web")]
    assert rules[0] == before


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


def test_options_are_kept_and_told_to_the_server(cloud: Cloud, rooms: Rooms) -> None:
    view = make(cloud)
    cloud.databases.configure(view.cluster.uuid, {"work_mem": 16, "jit": False})
    assert cloud.databases.get(view.cluster.uuid).cluster.config == {"work_mem": 16, "jit": False}
    said = server(cloud, rooms, view).said[-1]
    assert "ALTER SYSTEM SET work_mem = '16MB';" in said and "SET jit = 'false'" in said and "pg_reload_conf" in said
    rooms.fail = "sql"
    with pytest.raises(HostError):
        cloud.databases.configure(view.cluster.uuid, {"work_mem": 32})
    assert cloud.databases.get(view.cluster.uuid).cluster.config["work_mem"] == 16


def test_a_share_of_the_memory_follows_from_the_size() -> None:
    said = settings.statements({"shared_buffers_percentage": 40.5, "backup_hour": 3, "timezone": "UTC"}, 1024)
    assert "shared_buffers = '414MB'" in said and "timezone = 'UTC'" in said
    assert "percentage" not in said and "backup_hour" not in said


def test_no_option_that_a_standby_needs_is_lowered_there() -> None:
    before = {"max_connections": 50, "work_mem": 4}
    assert settings.for_standby({"max_connections": 30, "work_mem": 2}, before) == {
        "max_connections": 50,
        "work_mem": 2,
    }
    assert settings.for_standby({"max_connections": 60}, before) == {"max_connections": 60}


@pytest.mark.parametrize(
    "values",
    [
        None,
        [],
        {"timezone": "'; DROP"},
        {"log_line_prefix": "%m"},
        {"max_connections": 5},
        {"shared_buffers_percentage": 61},
        {"fsync": "off"},
        {"work_mem": "1; DROP"},
        {"work_mem": 0},
        {"work_mem": True},
        {"jit": 1},
        {"jit": "x"},
    ],
)
def test_options_that_cannot_be(values: object) -> None:
    with pytest.raises(Unprocessable):
        settings.config(values)


@pytest.mark.parametrize(
    ("values", "good"),
    [
        ({"storage": {"enabled": False}}, True),
        ({"storage": {"enabled": True, "threshold_percent": 80, "increment_gib": 10}}, True),
        ({"storage": {"enabled": True, "threshold_percent": 99}}, False),
        ({"storage": {}}, False),
        ({}, False),
    ],
)
def test_growth(values: dict[str, object], good: bool) -> None:
    if good:
        assert settings.autoscale(values) == values
    else:
        with pytest.raises(Unprocessable):
            settings.autoscale(values)


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


def test_the_firewall_is_refreshed_from_anywhere_without_standing_in_its_own_way(cloud: Cloud) -> None:
    make(cloud)
    ended = threading.Event()

    def refresh() -> None:
        for _ in range(200):
            with cloud.store.transaction():
                cloud.trusted.refresh()
        ended.set()

    threading.Thread(target=refresh, daemon=True).start()
    for _ in range(200):
        cloud.trusted.refresh()
    assert ended.wait(10)
