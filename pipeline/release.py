"""image + config -> release -> droplet -> verified -> live -> retired: one apply of the release graph."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pipeline import image, reference
from pipeline.errors import PipelineError
from pipeline.lock import only_one
from pipeline.narrator import Narrator
from pipeline.reference import Reference, Release, check_template, template_digest
from pipeline.session import Session
from pipeline.tools.digitalocean import Image
from pipeline.tools.process import environment


def deploy(
    session: Session,
    version: str | None,
    *,
    config: Mapping[str, str] | None = None,
    standby: bool = True,
    keep_failed: bool = False,
    commit: bool = False,
) -> Reference:
    """Make a version live, or without one make the world what the reference file says.

    Raises PipelineError when the release cannot be made live; what was live before is live then, and the reference
    file is as it was.
    """
    with only_one(session.settings.work, f"deploy {version or ''}".strip()):
        current = reference.read(session.settings.reference_path)
        target = current
        if version or config:
            target = current.deploying(compose(session, current, version, config), standby=standby)
        elif not standby:
            target = replace(current, standby=None)
        return _make_it_so(session, current, target, keep_failed=keep_failed, commit=commit)


def rollback(session: Session, *, keep_failed: bool = False, commit: bool = False) -> Reference:
    """Go back to the standby, or to the release before the live one; the live one becomes the standby."""
    with only_one(session.settings.work, "rollback"):
        current = reference.read(session.settings.reference_path)
        back = current.previous
        if back is None:
            raise PipelineError(
                "There is no release to go back to: the reference file knows only the live one.",
                "./invoke releases shows the images there are; ./invoke deploy --version … makes one live.",
            )
        release = current.releases[back]
        if back not in (session.outputs().get("droplets") or {}):
            release = replace(release, template=template_digest(session.settings.project.root))
        return _make_it_so(session, current, current.deploying(release), keep_failed=keep_failed, commit=commit)


def destroy(session: Session) -> None:
    """Remove the environment's droplets, address and key; the images stay. The reference file is emptied."""
    with only_one(session.settings.work, "destroy"):
        narrator = Narrator(session.progress)
        with environment(session.host_keys(Reference())):
            session.terraform.destroy(_var_file(session, Reference()), narrator)
        reference.write(session.settings.reference_path, Reference())


def compose(session: Session, current: Reference, version: str | None, config: Mapping[str, str] | None) -> Release:
    """A release of a version's image (by default the live one's), with the live release's config and what is given."""
    live = current.releases[current.live] if current.live else None
    if version is None:
        if live is None:
            raise PipelineError(
                "Nothing is live whose settings could be changed.", "./invoke build deploy --version v1"
            )
        version = live.version
    found: Image = image.find(session.api.images(), version)
    settings = {**(live.config if live else {}), **(config or {})}
    reference.check_config(settings)
    return Release(
        version=version,
        commit=found.label("commit"),
        image=found.name,
        size=session.settings.project.size,
        template=template_digest(session.settings.project.root),
        config=settings,
    )


def _make_it_so(
    session: Session, current: Reference, target: Reference, *, keep_failed: bool, commit: bool
) -> Reference:
    target = _check_images(session, target)
    before = session.outputs()
    for key in set(target.running) - set(before.get("droplets") or {}):
        check_template(session.settings.project.root, target.releases[key])
    evidence = session.settings.work / "evidence" / f"{target.live}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    try:
        _apply(session, target, evidence)
    except PipelineError as error:
        if not keep_failed:
            _go_back(session, Reference.from_state(before.get("reference")), evidence)
        raise _failure(error, evidence) from error
    if target != current:
        reference.write(session.settings.reference_path, target)
    _record(session, target, commit=commit)
    return target


def _check_images(session: Session, target: Reference) -> Reference:
    """What has no droplet yet needs its image; a standby that cannot come back is let go, with a word."""
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


def _apply(session: Session, target: Reference, evidence: Path) -> None:
    with environment({**session.host_keys(target), "SLIPWAY_EVIDENCE": str(evidence)}):
        session.terraform.apply(_var_file(session, target), Narrator(session.progress))


def _go_back(session: Session, confirmed: Reference, evidence: Path) -> None:
    session.progress.warn("the release failed: going back to what was confirmed before")
    try:
        _apply(session, confirmed, evidence)
    except PipelineError as error:
        session.progress.warn(f"going back failed too: {error.message} {error.hint}".rstrip())
        session.progress.warn("./invoke deploy tries again to make the world what the reference file says")


def _failure(error: PipelineError, evidence: Path) -> PipelineError:
    """The verification's own sentence, where it was the verification that failed."""
    said = evidence / "failure.txt"
    if said.exists():
        return PipelineError(said.read_text().strip(), f"The evidence is in {os.path.relpath(evidence)}")
    return error


def _var_file(session: Session, target: Reference) -> Path:
    path = session.settings.work / "candidate.tfvars.json"
    reference.write(path, target)
    return path


def _record(session: Session, target: Reference, *, commit: bool) -> None:
    """Commit the reference file, or say how."""
    path = session.settings.reference_path
    name = path.relative_to(session.settings.project.root)
    if not session.git.changed([str(name)]):
        return
    message = f"Release {target.live} to {session.settings.environment}"
    if commit:
        session.progress.say(f"  ✓ {name} committed as {session.git.commit(path, message)[:12]}")
    else:
        session.progress.say(f"  · to record it: git commit -m '{message}' {name}")
