"""A backup put in the place of what is in the database: all of it or nothing, after a backup of what was there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slipway.database import backup, bridge, drill, migration
from slipway.database import cluster as database
from slipway.database.backup import Backup
from slipway.environment import reference
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.runs import run
from slipway.tools import postgres


@dataclass(frozen=True)
class Restored:
    """What was put back, and the backup of what it took the place of; ``problems`` say what came back otherwise."""

    backup: str
    taken_at: str
    rows: int
    replaced: str
    problems: Sequence[str]


def restore(session: Session, *, folder: str | None = None, dump: str | None = None) -> Restored:
    """Replace the environment's data by a backup's, by default the newest, and bring its schema up to date.

    Raises PipelineError when there is no such backup, and when the database refuses: then it is as it was.
    """
    place = backup.folder_of(session, folder)
    chosen = choose(backup.known(place, session.settings.names, session.progress.warn), dump, str(place))
    source = backup.intact(place, chosen)
    with run.alone(session, f"backup.restore {chosen.dump}"):
        before, _ = backup.backup(session)
        cluster = bridge.cluster(session)
        client = postgres.Client.of(max(chosen.version, bridge.version(cluster)), session.progress.detail)
        with (
            session.progress.step(f"restore {chosen.dump}"),
            bridge.through_live(session) as way,
            way.reach(session.api, cluster, database.DATABASE) as reached,
        ):
            client.replace(reached, source)
            problems = drill.differences(chosen, postgres.contents(reached))
        live = reference.read(session.settings.reference_path).releases[way.release]
        migration.migrate(session, live, way.droplet.address)
    return Restored(chosen.dump, chosen.taken_at, chosen.rows, before.dump, problems)


def choose(known: Sequence[Backup], dump: str | None, where: str) -> Backup:
    """The backup of a name, or the newest; raises PipelineError when there is none."""
    found = [each for each in known if dump in (None, each.dump)]
    if not found:
        names = ", ".join(each.dump for each in known) or "none"
        raise PipelineError(f"There is no backup {dump or ''} in {where}.".replace("  ", " "), f"There are: {names}.")
    return found[-1]


def render(restored: Restored) -> str:
    """A restore as a person reads it."""
    lines = [f"{restored.rows} rows of {restored.taken_at} are back; what was there before is in {restored.replaced}"]
    return "\n".join([*lines, *(f"✗ {problem}" for problem in restored.problems)])
