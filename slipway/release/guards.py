"""What is refused before a release changes anything, by what the cloud and the droplets say."""

from __future__ import annotations

from dataclasses import replace

from slipway.environment.outputs import Outputs
from slipway.environment.reference import Reference
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.graph.plan import Refused
from slipway.verification import verify
from slipway.verification.witness import Witness, Word

_HEALTH_CHECKS = 2
"""Health checks before the cutover."""


def check_images(session: Session, target: Reference) -> Reference:
    """Refuse a release without droplet and image; a standby whose image is gone is dropped with a warning."""
    names = [found.name for found in session.api.images()]
    for key in target.running:
        count = names.count(target.releases[key].image)
        if count == 1:
            continue
        if count == 0 and key == target.standby:
            session.progress.warn(f"the image of {key} is gone, so there is no standby")
            target = replace(target, standby=None)
            continue
        raise PipelineError(
            f"There {'is no image' if count == 0 else f'are {count} images'} named {target.releases[key].image}.",
            f"./invoke build --version {target.releases[key].version}" if count == 0 else "Delete the wrong one.",
        )
    return target


def refuse_another_region(session: Session, outputs: Outputs) -> None:
    """Raise Refused when slipway.toml names another region than that of the floating IP, which cannot leave it."""
    wanted, address = session.settings.project.droplet.region, outputs.address
    found = next((each for each in session.api.floating_ips() if each.address == address), None)
    if found and found.region != wanted:
        raise Refused(
            f"The plan is refused: slipway.toml says region {wanted}, and the floating IP {address} of"
            f" {session.settings.environment} is in {found.region}, which it cannot leave.",
            f'Nothing was changed. Write region = "{found.region}" again; in {wanted}, make another environment.',
        )


def refuse_the_dead(session: Session, outputs: Outputs, target: Reference) -> None:
    """Raise PipelineError when traffic would move to a droplet that passed long ago and does not answer any more."""
    group = outputs.group(target.live)
    if not target.live or not group or outputs.confirmed.live in (None, target.live):
        return
    if target.live not in outputs.confirmed.running:
        return  # it is of a run that did not end well, and has the gate before it
    release = target.releases[target.live]
    if verify.answers(release, group.first.address, _HEALTH_CHECKS):
        return
    if Witness(session, release, group.first.address).word() is not Word.FINE:
        raise PipelineError(
            f"The droplet of {target.live} does not answer, so nothing is moved to it.",
            "./invoke heal starts it again, or makes another one.",
        )
    session.progress.warn(
        f"the droplet of {target.live} does not answer from here and says itself that it is fine: the path from this"
        " machine is suspect"
    )
