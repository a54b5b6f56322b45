"""The verbs of `./invoke`: a table of contents. What each does is in `slipway/verbs/` and `devtools/verbs.py`."""

from __future__ import annotations

from typing import Any

from invoke.collection import Collection

from devtools import verbs as dev
from slipway.verbs import cleanup, cloud, database, inspect, release
from slipway.verbs.dev import lock

namespace = Collection(
    # what makes a release, looks after it, or goes back from it
    release.build,
    release.deploy,
    release.rollback,
    release.heal,
    release.rotate,
    release.verify,
    release.migrate,
    release.takeover,
    # what says what there is, what was done, and what it costs
    inspect.status,
    inspect.releases,
    inspect.report,
    inspect.diff,
    inspect.cost,
    inspect.env,
    # what removes
    cleanup.reap,
    cleanup.prune,
    cleanup.destroy,
    # what the project is built with
    lock,
    dev.check,
    dev.update,
)


def _under(name: str, *verbs: Any, default: Any = None) -> None:
    """Verbs that are called `NAME.VERB`, one of them as `NAME` too."""
    group = Collection(name)
    for verb in verbs:
        group.add_task(verb, default=verb is default)
    namespace.add_collection(group)


_under("backup", database.backup_now, database.backup_verify, database.backup_restore, default=database.backup_now)
_under("test", dev.test, dev.upstream, default=dev.test)
_under(
    "cloud",
    *(cloud.up, cloud.down, cloud.status, cloud.logs, cloud.console, cloud.ssh, cloud.shell, cloud.env, cloud.reset),
)
