"""The server is killed at random moments while clusters and users come and go; what it says then is what there is.

LOCALCLOUD_TEST_DATABASE_KILLS says how often (6 if it does not).
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import psycopg
import requests

from localcloud.config import Config
from localcloud.host.machines import Machines
from localcloud.storage.disks import Disks
from tests.contract.support import Api, Daemon, until

KILLS = int(os.environ.get("LOCALCLOUD_TEST_DATABASE_KILLS", "6"))
ORDER = {"engine": "pg", "size": "db-s-1vcpu-1gb", "region": "nyc3", "num_nodes": 1}
MOST, LONGEST = 2, 4.0


def test_what_was_begun_is_finished_or_undone(other_daemon: Daemon) -> None:
    dice = random.Random(20)
    started = other_daemon.up()
    Api(started["endpoint"], started["token"]).database(name="first")
    for _ in range(KILLS):
        api = Api(started["endpoint"], started["token"])
        caller = threading.Thread(target=_call, args=(api, random.Random(dice.random())))
        caller.start()
        time.sleep(dice.uniform(0.2, LONGEST))
        os.kill(started["pid"], signal.SIGKILL)
        caller.join()
        until(lambda: not Path(f"/proc/{started['pid']}").exists())  # noqa: B023
        started = other_daemon.up()
        _check(other_daemon, Api(started["endpoint"], started["token"]))


def _call(api: Api, dice: random.Random) -> None:
    """Do whatever comes to mind, until nobody answers any more; 412 and 422 are answers, too."""
    try:
        for step in range(1000):
            clusters = [each["id"] for each in api.get("/v2/databases")["databases"]]
            cluster = dice.choice(clusters) if clusters else "none"
            user = f"u{dice.randrange(3)}"
            name = f"c{step}-{dice.randrange(9999)}"
            choices: list[tuple[int, str, str, Any]] = [
                (
                    2 * (len(clusters) < MOST),
                    "POST",
                    "/v2/databases",
                    ORDER | {"name": name},
                ),
                (1, "DELETE", f"/v2/databases/{cluster}", None),
                (4, "POST", f"/v2/databases/{cluster}/users", {"name": user}),
                (4, "POST", f"/v2/databases/{cluster}/users/{user}/reset_auth", {}),
                (2, "DELETE", f"/v2/databases/{cluster}/users/{user}", None),
                (2, "POST", f"/v2/databases/{cluster}/dbs", {"name": user}),
                (1, "DELETE", f"/v2/databases/{cluster}/dbs/{user}", None),
            ]
            _, method, path, body = dice.choices(choices, [choice[0] for choice in choices])[0]
            assert api.send(method, path, json=body).status_code < 500
            time.sleep(dice.uniform(0, 0.3))
    except requests.RequestException:
        return


def _check(daemon: Daemon, api: Api) -> None:
    """Everybody in the records can log in, to each of the databases, and nothing is there but what is recorded."""
    config = Config.from_environment(daemon.env)
    for each in api.get("/v2/databases")["databases"]:
        cluster = api.online(each["id"])
        until(lambda: _agree(api, cluster["id"]), 30)  # noqa: B023
    machines = {each["machine"] for each in api.get("/_localcloud/status")["databases"]}
    until(lambda: {m["machine"] for m in api.get("/_localcloud/status")["databases"]} == Machines(config).running(), 30)
    assert machines >= Machines(config).running()
    until(lambda: Machines(config).traces() | Disks(config).known() == Machines(config).running(), 30)


def _agree(api: Api, cluster: str) -> bool:
    found = api.get(f"/v2/databases/{cluster}")["database"]
    place = {"host": found["connection"]["host"], "port": found["connection"]["port"], "dbname": "defaultdb"}
    try:
        for user in found["users"]:
            login = {"user": user["name"], "password": user["password"], "connect_timeout": 5}
            with psycopg.connect(**place, **login) as session:
                roles = _names(session, "SELECT rolname FROM pg_roles WHERE rolcanlogin AND NOT rolsuper")
                databases = _names(session, "SELECT datname FROM pg_database WHERE NOT datistemplate")
    except psycopg.OperationalError:
        return False
    return databases - {"postgres"} == set(found["db_names"]) and roles == {user["name"] for user in found["users"]}


def _names(session: psycopg.Connection[Any], query: str) -> set[str]:
    return {row[0] for row in session.execute(query.encode())}
