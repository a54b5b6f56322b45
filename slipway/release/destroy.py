"""The end of an environment."""

from __future__ import annotations

from slipway.database import backup, cluster
from slipway.environment import reference
from slipway.environment.reference import Reference
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.graph import retirement, strays
from slipway.graph.graph import var_file
from slipway.graph.narrator import Narrator
from slipway.release import takeover
from slipway.runs import run as runs


def destroy(session: Session, *, with_database: bool = False, backup_first: bool = True) -> None:
    """Remove the environment's droplets, address and key; the images stay. The reference file is emptied.

    The database stays, unless it is asked for too; then a backup is made before anything is removed.
    """
    takeover.refuse(session)
    with runs.alone(session, "destroy"):
        if with_database and backup_first:
            _back_up(session)
        strays.remove_strays(session, session.outputs())
        retirement.remove_all(session)
        engine = session.terraform().using(session.host_keys(Reference()))
        engine.destroy(var_file(session.settings.work, Reference()), Narrator(session.progress))
        reference.write(session.settings.reference_path, Reference())
        if with_database:
            cluster.destroy(session)


def _back_up(session: Session) -> None:
    try:
        backup.backup(session)
    except PipelineError as error:
        message = f"Nothing was removed, because there is no backup: {error.message}"
        raise PipelineError(message, f"{error.hint}\n--no-backup removes the data without one.".strip()) from error
