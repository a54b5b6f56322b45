"""From the call that creates a database cluster to the first query's answer, beside `initdb` and a start by hand.

By hand means in the very base image that the cluster's machine stands on, with the programs that run there: as root
of an overlay of it, without a machine that boots, and without network, certificates or passwords.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg

from bench.cloud import call, until
from bench.figures import Comparison, Run, Side, Stopwatch, in_turn
from localocean.config import Config
from localocean.host.postgres.layout import PROGRAMS
from localocean.host.run import run
from localocean.storage.bases import POSTGRES, BaseImages
from localocean.storage.databases import command
from localocean.storage.disks import Disks
from slipway.config import Cloud
from slipway.progress import Progress
from slipway.project import Project
from slipway.tools.localocean import LocalCloud
from slipway.tools.programs.process import environment
from tests.support import own_cloud

TARGET = 3.0
SIZE = "db-s-1vcpu-1gb"
SECONDS = 300
MACHINE = 1

BY_HAND = f"""
mkdir /srv/sockets
chown postgres:postgres /srv /srv/sockets
now() {{ date +%s.%N; }}
as_postgres="setpriv --reuid=postgres --regid=postgres --init-groups env --chdir=/srv"
began=$(now)
$as_postgres {PROGRAMS}/initdb --pgdata=/srv/data >/dev/null
made=$(now)
$as_postgres {PROGRAMS}/pg_ctl start --pgdata=/srv/data --wait --silent --log=/srv/sockets/log \
  --options="-c listen_addresses='' -c unix_socket_directories=/srv/sockets"
started=$(now)
answer=$($as_postgres {PROGRAMS}/psql --no-psqlrc --host=/srv/sockets --tuples-only --no-align --command='SELECT 1')
echo "$began $made $started $(now) $answer"
$as_postgres {PROGRAMS}/pg_ctl stop --pgdata=/srv/data --mode=immediate --silent
"""


def compare(root: Path, rounds: int, say: Callable[[str], None]) -> Comparison:
    """Time both; the image of the databases is there before, as the base of droplets is in the other figures."""
    project = Project.load(root)
    with own_cloud("bench") as settings, environment(settings):
        say("the base images and a cloud of its own")
        cloud = LocalCloud(root, Progress()).up()
        config = Config.from_environment(os.environ)
        base = BaseImages(config).ensure(POSTGRES, say)
        clusters, by_hand = Clusters(config, cloud, project.droplet.region), ByHand(config, base)
        say("one of each, not counted")
        clusters.create()
        by_hand.create()
        ours, yardstick = in_turn(rounds, clusters.create, by_hand.create, say)
    return Comparison(
        f"A database cluster ({SIZE}) to the answer of its first query",
        Side("create call to first answer", ours),
        Side("initdb, start, first answer", yardstick),
        TARGET,
    )


@dataclass(frozen=True)
class Clusters:
    """Clusters of a cloud, by raw requests."""

    config: Config
    cloud: Cloud
    region: str

    def create(self) -> Run:
        """Create a cluster and ask it something over TLS with a password, as its client would; then delete it."""
        watch = Stopwatch()
        order = {"name": "bench", "engine": "pg", "version": "15", "size": SIZE, "region": self.region, "num_nodes": 1}
        with watch.time("create call to online"):
            made = call(self.cloud, "POST", "databases", order)["database"]
            where = f"databases/{made['id']}"
            found = until(lambda: self._online(where), "the cluster is not online")
        with watch.time("connect and ask"), psycopg.connect(found["connection"]["uri"]) as connection:
            connection.execute("SELECT 1")
        call(self.cloud, "DELETE", where)
        until(lambda: not Disks(self.config).known(), "the cluster's disk is still there")
        return watch.run

    def _online(self, where: str) -> dict[str, Any] | None:
        found: dict[str, Any] = call(self.cloud, "GET", where)["database"]
        return found if found["status"] == "online" else None


@dataclass(frozen=True)
class ByHand:
    """The same PostgreSQL without a cloud."""

    config: Config
    base: Path

    def create(self) -> Run:
        """What is timed is within the overlay: neither mounting it nor entering it counts."""
        disks = Disks(replace(self.config, state=self.config.state / "bare"))
        try:
            root = disks.mount(MACHINE, [self.base], 10)
            words = run(command(root, BY_HAND), timeout=SECONDS).split()
        finally:
            disks.delete(MACHINE)
        began, made, started, answered = map(float, words[:4])
        parts = {"initdb": made - began, "start": started - made, "connect and ask": answered - started}
        return Run(answered - began, parts)
