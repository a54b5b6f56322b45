"""A cluster's users and databases."""

from __future__ import annotations

import pytest

from localocean.engine.cloud import Cloud
from localocean.engine.errors import NotFound, Unprocessable
from localocean.host.errors import HostError
from tests.unit.localocean.clusters import make, server
from tests.unit.localocean.machines import Rooms


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


def test_no_password_is_kept_in_an_action(cloud: Cloud) -> None:
    view = make(cloud)
    cloud.database_users.create_user(view.cluster.uuid, "app")
    cloud.database_users.reset_user(view.cluster.uuid, "app")
    passwords = [user.password for user in cloud.store.database_users.find()]
    said = repr(cloud.store.actions.find())
    assert not any(password in said for password in passwords)
