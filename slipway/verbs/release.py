"""Verbs that make a release, look after it, or go back from it.

Each verb imports its rooms when it runs: all of them together take as long to import as a verb takes to start.
"""

from __future__ import annotations

from dataclasses import asdict

from invoke.context import Context

from slipway.environment import reference
from slipway.environment.reference import Reference
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.project import Limits
from slipway.release.options import ReleaseOptions
from slipway.verbs.given import count, settings
from slipway.verbs.verb import Answer, confirm, verb

_HELP = {
    "keep_failed": "keep the droplet of a failed release, to look at it",
    "commit": "commit the reference file",
    "max_lost": "roll back when the cutover loses more requests than this; default: slipway.toml",
    "max_gap": "roll back when nothing answers for longer than this, such as 500ms; default: slipway.toml",
    "soak": "look after the release for so long once it is live, such as 60s, and go back when it is not fit;"
    " by default as in slipway.toml",
    "force": "the reason to make a rolled-back release live again",
}


@verb(
    version="the version; by default the tag at HEAD, else git describe",
    dirty="also build uncommitted changes; the version says so",
)
def build(c: Context, session: Session, version: str | None = None, dirty: bool = False) -> str:
    """Bake the image of a version, unless the same inputs were baked before."""
    from slipway.image import bake
    from slipway.image.image import version_of
    from slipway.runs import run

    with run.recorded(session, f"build {version or ''}".strip()):
        image = bake.build(session, version, dirty=dirty)
    c.config["built"] = version_of(session.settings.names, image) or ""  # for a deploy on the same line
    return image.name


@verb(
    iterable=["set"],
    json="as JSON",
    version="the version to make live; default: what the reference file says",
    dirty="the version as it was built with --dirty",
    set="a setting of the app as KEY=VALUE; repeat it for more; the other settings stay",
    size="the slug of the droplet's size, such as s-2vcpu-2gb",
    no_standby="retire the previous release at once",
    plan="show what a deploy would do, and stop",
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
    """Make a version live, or apply what git says: create, verify, move the address, confirm, retire."""
    from slipway.release import deploy as releases

    asked: str | None = c.config.get("built") or (f"{version}-dirty" if version and dirty else version)
    limits = _limits(session, max_lost, max_gap, soak)
    options = ReleaseOptions(
        standby=not no_standby, keep_failed=keep_failed, commit=commit, limits=limits, force=force or ""
    )
    if plan:
        planned = releases.plan(session, asked, options, config=settings(set or []), size=size)
        return Answer(f"This would {planned.sentence}.", planned.as_json())
    return _live(session, releases.deploy(session, asked, options, config=settings(set or []), size=size))


@verb(json="as JSON", **_HELP)
def rollback(
    session: Session,
    keep_failed: bool = False,
    commit: bool = False,
    max_lost: int | None = None,
    max_gap: str | None = None,
    soak: str | None = None,
    force: str | None = None,
) -> Answer:
    """Roll back to the standby or the previous release; the rolled-back release is marked, and refused from then on."""
    from slipway.release.rollback import rollback as roll_back

    limits = _limits(session, max_lost, max_gap, soak)
    options = ReleaseOptions(keep_failed=keep_failed, commit=commit, limits=limits, force=force or "")
    return _live(session, roll_back(session, options))


@verb(
    json="as JSON",
    commit="commit the reference file",
    force="the reason to remove a droplet that does not answer from here",
)
def heal(session: Session, commit: bool = False, force: str | None = None) -> Answer:
    """Make the public address answer: start the live droplet, switch to the standby, or create another droplet."""
    from slipway.release import heal as healing

    healed = healing.heal(session, ReleaseOptions(commit=commit, force=force or ""))
    return Answer(healing.render(healed), asdict(healed))


@verb(
    release="key of the release to expect; default: the live one",
    droplet="id or name of the droplet to look at",
    address="the address to look at; default: the release's own droplet",
    through_floating_ip="the address is the public one: check only what a user can see",
)
def verify(
    session: Session,
    release: str | None = None,
    droplet: str | None = None,
    address: str | None = None,
    through_floating_ip: bool = False,
) -> str:
    """Verify a running droplet with the tests that run before every cutover."""
    from slipway.verification import verify as verification

    subject = verification.find_subject(session, release, droplet, address, through_floating_ip=through_floating_ip)
    verified = verification.verify(session, subject)
    return f"{subject.release.key} at {subject.address}: {verified.tests} tests passed, report in {verified.report}"


@verb(
    json="as JSON",
    release="key of the release whose binary migrates; default: the live one",
    address="the droplet's address; default: the one in the state",
)
def migrate(session: Session, release: str | None = None, address: str | None = None) -> Answer:
    """Migrate the database to the schema of a release, after a rehearsal that the live release survives."""
    from slipway.database import migration
    from slipway.verification.verify import find_subject

    subject = find_subject(session, release, None, address, through_floating_ip=False)
    done = migration.migrate(session, subject.release, subject.address)
    return Answer(migration.render(done), asdict(done))


@verb(
    what="database (a new user for a new release) or state (a new key for the states)",
    no_standby="retire the previous release at once, with its database user",
    keep_failed=_HELP["keep_failed"],
    commit="commit the reference file",
)
def rotate(
    session: Session, what: str, no_standby: bool = False, keep_failed: bool = False, commit: bool = False
) -> Answer | str:
    """Replace a credential: the app's database user, by a new release, or the key that encrypts the states."""
    from slipway.release import rotation
    from slipway.release.deploy import rotate_database

    if what == "database":
        options = ReleaseOptions(standby=not no_standby, keep_failed=keep_failed, commit=commit)
        return _live(session, rotate_database(session, options))
    if what == "state":
        return rotation.rotate_state(session)
    raise PipelineError(f"There is no {what!r} to rotate.", "./invoke rotate database, or ./invoke rotate state")


@verb(yes="do not ask")
def takeover(session: Session, yes: bool = False) -> str:
    """Take over an environment whose state is lost or in another checkout, with its address and its database."""
    from slipway.release.takeover import take_over

    if not yes:
        confirm(session, "Take over", "Nothing was taken over.")
    take_over(session)
    return "Taken over. ./invoke deploy --version VERSION, with the version that is live, replaces the droplets."


def _limits(session: Session, max_lost: int | None, max_gap: str | None, soak: str | None) -> Limits:
    given = {"max_lost": count(max_lost), "max_gap": max_gap, "soak": soak}
    return session.settings.project.limits.but({name: value for name, value in given.items() if value is not None})


def _live(session: Session, now: Reference) -> Answer:
    """By what was just confirmed; the cloud, which might fail now, is not asked again."""
    where = reference.url(now, session.outputs().address or None) if now.live else None
    text = f"{now.live} is live at {where}" if where else "Nothing is live."
    return Answer(text, {"live": now.live, "url": where})
