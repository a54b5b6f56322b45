"""A release from the word to the world: composed, planned with its database, and applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from slipway.database import cluster
from slipway.database.cluster import Pending
from slipway.environment import reference
from slipway.environment.reference import Reference, Release
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.graph import retirement
from slipway.graph.graph import Graph
from slipway.graph.plan import Plan
from slipway.release import guards, takeover
from slipway.release.apply import apply, apply_release
from slipway.release.compose import boot_data, compose
from slipway.release.options import ReleaseOptions
from slipway.runs import run as runs
from slipway.runs.checkout_lock import only_one


def deploy(
    session: Session,
    version: str | None,
    options: ReleaseOptions,
    *,
    config: Mapping[str, str] | None = None,
    size: str | None = None,
) -> Reference:
    """Make a version live, or apply the reference file without one; the database comes first.

    Raises PipelineError when the release cannot be made live; what was live before is live then, and the reference
    file is as it was.
    """
    changed = f" with {', '.join(sorted(config))}" if config else ""
    takeover.refuse(session)
    with runs.alone(session, f"deploy {version or ''}".strip() + changed, options.force) as run:
        current = reference.read(session.settings.reference_path)
        release = compose(session, current, version, config, size) if version or config or size else None
        if release is not None:
            reference.refuse_rejected(current, release, options.force)
        pending = _begun(session, pending_changes(session, current, release))
        if release is not None:
            return apply_release(session, run, current, release, options, pending)
        target = current if options.standby else replace(current, standby=None)
        return apply(session, run, current, target, options, pending)


def plan(
    session: Session,
    version: str | None,
    options: ReleaseOptions,
    *,
    config: Mapping[str, str] | None = None,
    size: str | None = None,
) -> Plan:
    """What `deploy` would do. Nothing is changed; raises Refused when it must not be done."""
    takeover.refuse(session)
    with only_one(session.settings.work, "deploy --plan"):
        settings = session.settings
        current = reference.read(settings.reference_path)
        target = current if options.standby else replace(current, standby=None)
        release = compose(session, current, version, config, size) if version or config or size else None
        if release is not None:
            reference.refuse_rejected(current, release, options.force)
            target = current.deploying(release, standby=options.standby)
        pending = pending_changes(session, current, release)
        if pending and pending.first:
            return Plan(f"{pending.sentence}; the rest can be planned when it is there")
        target, before = guards.check_images(session, target), session.outputs()
        guards.refuse_another_region(session, before)
        standing = retirement.standing(session, before)
        graph = Graph(session, None, settings.work / "evidence", boot_data(session, standing, target))
        return graph.judge(target, before, standing).plan.after(pending.sentence if pending else "")


def rotate_database(session: Session, options: ReleaseOptions) -> Reference:
    """A new release of what is live, with a database user of its own; the old user goes with its last release."""
    takeover.refuse(session)
    with runs.alone(session, "rotate database") as run:
        current = reference.read(session.settings.reference_path)
        release = compose(session, current, None, None)
        if not release.database_user:
            raise PipelineError("There is no database user to change: slipway.toml has no [database].")
        pending = _begun(session, pending_changes(session, current, release))
        return apply_release(session, run, current, release, options, pending, new_user=True)


def pending_changes(session: Session, current: Reference, release: Release | None) -> Pending | None:
    """What is to be done to the database first; None for a run that only goes back, and leaves it as it is."""
    confirmed = session.outputs().confirmed
    goes_back = current.live in confirmed.releases and current.live != confirmed.live
    return None if release is None and (goes_back or current.live is None) else cluster.pending(session)


def _begun(session: Session, pending: Pending | None) -> Pending | None:
    """Make a first cluster at once: nothing is live that could lose it, and no release can be planned without it."""
    if pending is None or not pending.first:
        return pending
    cluster.carry_out(session, pending)
    return Pending(done=pending.sentence)
