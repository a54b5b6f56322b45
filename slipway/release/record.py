"""The reference file after a release, and its commit."""

from __future__ import annotations

import shlex

from slipway.environment import reference
from slipway.environment.reference import Reference, Release
from slipway.environment.session import Session
from slipway.errors import PipelineError, Unrecorded


def commit_reference(session: Session, message: str, done: str, *, commit: bool) -> None:
    """Commit the reference file, or say options. Raises Unrecorded, which says what is ``done``, when git refuses."""
    path = session.settings.reference_path
    name = path.relative_to(session.settings.project.root)
    if not session.git.changed([str(name)]):
        return
    by_hand = f"git commit -m {shlex.quote(message)} {name}"
    if not commit:
        session.progress.say(f"  · to record it: {by_hand}")
        return
    try:
        session.progress.say(f"  ✓ {name} committed as {session.git.commit(path, message)[:12]}")
    except PipelineError as error:
        hint = f"{error.hint}\nThen record it by hand: {by_hand}".strip()
        raise Unrecorded(f"{done}, but {name} was not committed: {error.message}", hint) from error


def reject(session: Session, current: Reference, release: Release, why: str, *, commit: bool) -> None:
    """Mark a release that was live and was rolled back, so that nobody makes it live again by mistake."""
    reference.write(session.settings.reference_path, current.rejecting(release, why))
    message = f"Reject {release.key} in {session.settings.environment}"
    try:
        commit_reference(session, message, f"{release.key} is marked as rejected", commit=commit)
    except Unrecorded as failure:
        session.progress.warn(f"{failure.message} {failure.hint}")  # why the release failed is what the run ends with
