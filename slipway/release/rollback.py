"""Going back to the release before, which was confirmed and is still known."""

from __future__ import annotations

from slipway.environment import reference
from slipway.environment.reference import Reference
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.release import takeover
from slipway.release.apply import apply_release
from slipway.release.compose import of_today
from slipway.release.options import ReleaseOptions
from slipway.runs import run as runs


def rollback(session: Session, options: ReleaseOptions) -> Reference:
    """Go back to the standby, or to the release before the live one, which becomes the standby and is marked."""
    takeover.refuse(session)
    with runs.alone(session, "rollback", options.force) as run:
        current = reference.read(session.settings.reference_path)
        back = current.previous
        if back is None:
            raise PipelineError(
                "There is no release to go back to: the reference file knows only the live one.",
                "./invoke releases shows the images there are; ./invoke deploy --version … makes one live.",
            )
        release, bad = current.releases[back], current.releases[current.live or ""]
        reference.refuse_rejected(current, release, options.force)
        if back not in session.outputs().groups:
            release = of_today(session, release)  # its droplet is made anew
        return apply_release(session, run, current, release, options, rejected=bad)  # and the database is left as it is
