"""The verbs, by the names that they are called by: a table of contents."""

from __future__ import annotations

from typing import Any

from invoke.collection import Collection

from slipway.verbs import cleanup, cloud, database, init, inspect, release
from slipway.verbs.dev import lock


def namespace() -> Collection:
    """All that `slipway` offers, for a project's own `tasks.py` too."""
    found = Collection(
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
        # what a project begins with, and what it is built with
        init.init,
        lock,
    )
    under(found, "backup", database.backup_now, database.backup_verify, database.backup_restore, default=True)
    local = (cloud.up, cloud.down, cloud.status, cloud.logs, cloud.console, cloud.ssh, cloud.shell)
    under(found, "cloud", *local, cloud.env, cloud.reset)
    return found


def under(namespace: Collection, name: str, *verbs: Any, default: bool = False) -> None:
    """Verbs that are called `NAME.VERB`; with ``default`` the first of them as `NAME` too."""
    group = Collection(name)
    for number, verb in enumerate(verbs):
        group.add_task(verb, default=default and number == 0)
    namespace.add_collection(group)
