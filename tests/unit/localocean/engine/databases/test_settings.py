"""PostgreSQL's options, and how a cluster grows."""

from __future__ import annotations

import pytest

from localocean.engine.cloud import Cloud
from localocean.engine.databases import settings
from localocean.engine.errors import Unprocessable
from localocean.host.errors import HostError
from tests.unit.localocean.clusters import make, server
from tests.unit.localocean.machines import Rooms


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
