"""The server is killed at random moments while clusters and users come and go; what it says then is what there is.

LOCALOCEAN_TEST_DATABASE_KILLS says how often (6 if it does not).
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psycopg
import requests

from localocean.config import Config
from localocean.host.machines import Machines
from localocean.storage.disks import Disks
from tests.contract.support import Api, Daemon
from tests.support import until

KILLS = int(os.environ.get("LOCALOCEAN_TEST_DATABASE_KILLS", "6"))
ORDER = {"engine": "pg", "size": "db-s-1vcpu-1gb", "region": "nyc3", "num_nodes": 1}
MOST, LONGEST = 2, 4.0
STATEMENTS: list[tuple[str, str, str, Any]] = [
    ("pg_authid", "POST", "/users", {"name": "new"}),
    ("pg_authid", "POST", "/users/old/reset_auth", {}),
    ("pg_authid", "DELETE", "/users/old", None),
    ("pg_database", "POST", "/dbs", {"name": "new"}),
    ("pg_database", "DELETE", "/dbs/old", None),
]
"""What waits when nobody may write to a table of PostgreSQL's."""


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


def test_a_statement_that_outlives_the_server_is_waited_for(other_daemon: Daemon) -> None:
    """PostgreSQL goes on with what it was told; here a lock holds it up until the next server has taken it up again."""
    started = other_daemon.up()
    api = Api(started["endpoint"], started["token"])
    cluster = api.database()["id"]
    path = f"/v2/databases/{cluster}"
    api.call("POST", f"{path}/users", {"name": "old"}, status=201)
    api.call("POST", f"{path}/dbs", {"name": "old"}, status=201)
    for table, method, rest, body in STATEMENTS:
        with _inside(other_daemon) as session:
            assert session.stdin and session.stdout
            session.stdin.write(f"BEGIN; LOCK TABLE {table} IN SHARE MODE; SELECT 'locked';\n")
            session.stdin.flush()
            assert session.stdout.readline() == "locked\n"
            caller = threading.Thread(target=_send, args=(api, method, path + rest, body))
            caller.start()
            until(lambda: _waits(other_daemon))
            os.kill(started["pid"], signal.SIGKILL)
            caller.join()
            started = other_daemon.up()
            time.sleep(2)
        api = Api(started["endpoint"], started["token"])
        _check_agreement(api, cluster)
        assert api.get("/_localocean/status")["errors"] == [], f"{method} {rest}"
    until(lambda: "old" not in api.get(path)["database"]["db_names"], 30)
    _check_agreement(api, cluster)
    found = api.get(path)["database"]
    assert {user["name"] for user in found["users"]} == {"doadmin", "new"}
    assert set(found["db_names"]) == {"defaultdb", "new"}


PSQL = "psql --no-psqlrc --quiet --tuples-only --no-align --username=postgres --port=25060".split()


def _inside(daemon: Daemon) -> subprocess.Popen[str]:
    """A session of PostgreSQL's superuser in the machine of the database."""
    command = [sys.executable, "-m", "localocean", "shell", "data", "--", *PSQL]
    return subprocess.Popen(command, env=daemon.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _waits(daemon: Daemon) -> bool:
    """Whether a statement waits for the lock on a table."""
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
    return daemon.run("shell", "data", "--", *PSQL, f"--command={query}").stdout.strip() != "0"


def _send(api: Api, method: str, path: str, body: object) -> None:
    with contextlib.suppress(requests.RequestException):
        api.send(method, path, json=body)


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
        _check_agreement(api, cluster["id"])
    machines = {each["machine"] for each in api.get("/_localocean/status")["databases"]}
    until(lambda: {m["machine"] for m in api.get("/_localocean/status")["databases"]} == Machines(config).running(), 30)
    assert machines >= Machines(config).running()
    until(lambda: Machines(config).traces() | Disks(config).known() == Machines(config).running(), 30)


def _check_agreement(api: Api, cluster: str) -> None:
    deadline = time.monotonic() + 30
    while wrong := _disagreement(api, cluster):
        if time.monotonic() > deadline:
            raise AssertionError(f"{wrong}\nactions that failed: {api.get('/_localocean/status')['errors']}")
        time.sleep(0.1)


def _disagreement(api: Api, cluster: str) -> str:
    """What the records and the server say otherwise; empty when they agree."""
    found = api.get(f"/v2/databases/{cluster}")["database"]
    place = {"host": found["connection"]["host"], "port": found["connection"]["port"], "dbname": "defaultdb"}
    for user in found["users"]:
        login = {"user": user["name"], "password": user["password"], "connect_timeout": 5}
        try:
            with psycopg.connect(**place, **login) as session:
                roles = _names(session, "SELECT rolname FROM pg_roles WHERE rolcanlogin AND NOT rolsuper")
                databases = _names(session, "SELECT datname FROM pg_database WHERE NOT datistemplate")
        except psycopg.OperationalError as error:
            return f"{user['name']} cannot log in: {error}"
    recorded, users = set(found["db_names"]), {user["name"] for user in found["users"]}
    if databases - {"postgres"} != recorded:
        return f"the databases are {databases}, and {recorded} are recorded"
    return f"the users are {roles}, and {users} are recorded" if roles != users else ""


def _names(session: psycopg.Connection[Any], query: str) -> set[str]:
    return {row[0] for row in session.execute(query.encode())}
