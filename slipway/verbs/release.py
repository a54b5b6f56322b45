"""Verbs that make a release, look after it, or go back from it."""

from __future__ import annotations

from dataclasses import asdict

from invoke.context import Context

from slipway.database import migration
from slipway.environment import reference
from slipway.environment.reference import Reference
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.image import bake
from slipway.image.image import version_of
from slipway.project import Limits
from slipway.release import rotation
from slipway.release.deploy import deploy as make_live
from slipway.release.deploy import plan as plan_release
from slipway.release.deploy import rotate_database
from slipway.release.heal import heal as heal_environment
from slipway.release.heal import render as render_healed
from slipway.release.options import ReleaseOptions
from slipway.release.rollback import rollback as roll_back
from slipway.release.takeover import take_over
from slipway.runs import run
from slipway.verbs.given import count, settings
from slipway.verbs.verb import Answer, confirm, verb
from slipway.verification.verify import find_subject
from slipway.verification.verify import verify as verify_droplet

_HELP = {
    "keep_failed": "leave the droplet of a release that fails, to look at",
    "commit": "commit the reference file",
    "max_lost": "go back when more requests than this are lost while the address moves; by default as in slipway.toml",
    "max_gap": "go back when for longer than this nothing answers, such as 500ms; by default as in slipway.toml",
    "soak": "look after the release for so long once it is live, such as 60s, and go back when it is not fit;"
    " by default as in slipway.toml",
    "force": "why a release that was gone back from is made live again",
}


@verb(
    version="the version; by default the tag at HEAD, else git describe",
    dirty="build what is not committed, and say so in the version",
)
def build(c: Context, session: Session, version: str | None = None, dirty: bool = False) -> str:
    """Bake the image of a version, unless the same inputs were baked before."""
    with run.recorded(session, f"build {version or ''}".strip()):
        image = bake.build(session, version, dirty=dirty)
    c.config["built"] = version_of(session.settings.names, image) or ""  # for a deploy on the same line
    return image.name


@verb(
    iterable=["set"],
    json="with --plan: as JSON",
    version="the version to make live; without it, what the reference file says",
    dirty="the version as it was built with --dirty",
    set="a setting of the app as KEY=VALUE; may be repeated, the others stay as they are",
    size="the slug of the droplet's size, such as s-2vcpu-2gb",
    no_standby="retire the release before at once",
    plan="only say what would be done",
    **_HELP,
)
def deploy(
    c: Context,
    session: Session,
    version: str | None = None,
    dirty: bool = False,
    set: list[str] | None = None,
    size: str | None = None,
    no_standby: bool = False,
    keep_failed: bool = False,
    commit: bool = False,
    max_lost: int | None = None,
    max_gap: str | None = None,
    soak: str | None = None,
    force: str | None = None,
    plan: bool = False,
) -> Answer:
    """Make a version live, or the world what git says: create, verify, move the address, confirm, retire."""
    asked: str | None = c.config.get("built") or (f"{version}-dirty" if version and dirty else version)
    limits = _limits(session, max_lost, max_gap, soak)
    options = ReleaseOptions(
        standby=not no_standby, keep_failed=keep_failed, commit=commit, limits=limits, force=force or ""
    )
    if plan:
        planned = plan_release(session, asked, options, config=settings(set or []), size=size)
        return Answer(f"This would {planned.sentence}.", planned.as_json())
    return _live(session, make_live(session, asked, options, config=settings(set or []), size=size))


@verb(**_HELP)
def rollback(
    session: Session,
    keep_failed: bool = False,
    commit: bool = False,
    max_lost: int | None = None,
    max_gap: str | None = None,
    soak: str | None = None,
    force: str | None = None,
) -> Answer:
    """Go back to the standby, or to the release before the live one; what was gone back from is marked and refused."""
    limits = _limits(session, max_lost, max_gap, soak)
    options = ReleaseOptions(keep_failed=keep_failed, commit=commit, limits=limits, force=force or "")
    return _live(session, roll_back(session, options))


@verb(
    json="as JSON",
    commit="commit the reference file",
    force="why a droplet that is merely silent from here may be removed",
)
def heal(session: Session, commit: bool = False, force: str | None = None) -> Answer:
    """Make the address answer again: start the live droplet, or go to the standby, or make another one."""
    healed = heal_environment(session, ReleaseOptions(commit=commit, force=force or ""))
    return Answer(render_healed(healed), asdict(healed))


@verb(
    release="key of the release that should be there; by default the live one",
    droplet="id or name of the droplet to look at",
    address="where to look; by default the release's own droplet",
    through_floating_ip="the address is the public one: ask only what a user can",
)
def verify(
    session: Session,
    release: str | None = None,
    droplet: str | None = None,
    address: str | None = None,
    through_floating_ip: bool = False,
) -> str:
    """Verify a running droplet at any time, with the same tests that stand before every cutover."""
    subject = find_subject(session, release, droplet, address, through_floating_ip=through_floating_ip)
    verified = verify_droplet(session, subject)
    return f"{subject.release.key} at {subject.address}: {verified.tests} tests passed, report in {verified.report}"


@verb(
    json="as JSON",
    release="key of the release whose binary migrates; by default the live one",
    address="where its droplet is; by default where the state says",
)
def migrate(session: Session, release: str | None = None, address: str | None = None) -> Answer:
    """Bring the database's schema to what a release needs, after a rehearsal that the live release survives."""
    subject = find_subject(session, release, None, address, through_floating_ip=False)
    done = migration.migrate(session, subject.release, subject.address)
    return Answer(migration.render(done), asdict(done))


@verb(
    what="database (a new user for a new release) or state (a new key for the states)",
    no_standby="retire the release before at once, and its user with it",
    keep_failed="leave the droplet of a release that fails, to look at",
    commit="commit the reference file",
)
def rotate(
    session: Session, what: str, no_standby: bool = False, keep_failed: bool = False, commit: bool = False
) -> Answer | str:
    """Change a credential: the app's database user, through the gate like any release, or the state's key."""
    if what == "database":
        options = ReleaseOptions(standby=not no_standby, keep_failed=keep_failed, commit=commit)
        return _live(session, rotate_database(session, options))
    if what == "state":
        return rotation.rotate_state(session)
    raise PipelineError(f"There is no {what!r} to rotate.", "./invoke rotate database, or ./invoke rotate state")


@verb(yes="do not ask")
def takeover(session: Session, yes: bool = False) -> str:
    """Take an environment whose state is lost, or in another checkout: its address and its database come here."""
    if not yes:
        confirm(session, "Take over", "Nothing was taken over.")
    take_over(session)
    return "Taken over. ./invoke deploy --version VERSION, with the version that is live, replaces the droplets."


def _limits(session: Session, max_lost: int | None, max_gap: str | None, soak: str | None) -> Limits:
    given = {"max_lost": count(max_lost), "max_gap": max_gap, "soak": soak}
    return session.settings.project.limits.but({name: value for name, value in given.items() if value is not None})


def _live(session: Session, now: Reference) -> Answer:
    """By what was just confirmed; the cloud, which might fail now, is not asked again."""
    where = reference.url(now, session.outputs().address or None)
    return Answer(f"{now.live} is live at {where}" if now.live else "Nothing is live.")
