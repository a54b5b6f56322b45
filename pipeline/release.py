"""image + config -> release -> droplet -> verified -> live -> retired: one apply of the release graph."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pipeline import (
    adoption,
    backup,
    boot,
    database,
    evidence,
    image,
    lease,
    leftovers,
    manifest,
    offered,
    reference,
    retirement,
    runs,
    secrets,
    takeover,
    verify,
    watch,
    way_back,
)
from pipeline.config import OURS, CutoverSettings
from pipeline.database import Pending
from pipeline.errors import PipelineError, Unrecorded, in_a_sentence
from pipeline.graph import BootData, Graph, now_of, var_file
from pipeline.ledger import Run
from pipeline.lock import only_one
from pipeline.names import database_user
from pipeline.narrator import Narrator
from pipeline.plan import Now, Plan, Refused
from pipeline.reference import Reference, Release, check_template, template_digest
from pipeline.remote_lock import LockLost
from pipeline.session import Session
from pipeline.tools.digitalocean import Image
from pipeline.tools.files import is_full
from pipeline.tools.terraform import expression
from pipeline.watch import Unfit
from pipeline.witness import Witness, Word

_ASKED = 2
"""Times that a droplet is asked before traffic moves to it."""


@dataclass(frozen=True)
class How:
    """How a release is carried out: whether the one before stays warm, and what a failed one leaves behind.

    ``limits`` are what the cutover may cost, by default what `slipway.toml` says. ``force`` is the reason for a
    release that was gone back from before.
    """

    standby: bool = True
    keep_failed: bool = False
    commit: bool = False
    limits: CutoverSettings | None = None
    force: str = ""


def deploy(
    session: Session,
    version: str | None,
    how: How = How(),
    *,
    config: Mapping[str, str] | None = None,
    size: str | None = None,
) -> Reference:
    """Make a version live, or without one make the world what the reference file says; the database comes first.

    Raises PipelineError when the release cannot be made live; what was live before is live then, and the reference
    file is as it was.
    """
    changed = f" with {', '.join(sorted(config))}" if config else ""
    takeover.refuse(session)
    with runs.alone(session, f"deploy {version or ''}".strip() + changed, how.force) as run:
        current = reference.read(session.settings.reference_path)
        release = compose(session, current, version, config, size) if version or config or size else None
        if release is not None:
            reference.refuse_rejected(current, release, how.force)
        pending = _begun(session, _pending(session, current, release))
        if release is not None:
            return _release(session, run, current, release, how, pending)
        target = current if how.standby else replace(current, standby=None)
        return _make_it_so(session, run, current, target, how, pending)


def plan(
    session: Session,
    version: str | None,
    how: How = How(),
    *,
    config: Mapping[str, str] | None = None,
    size: str | None = None,
) -> Plan:
    """What `deploy` would do. Nothing is changed; raises Refused when it must not be done."""
    takeover.refuse(session)
    with only_one(session.settings.work, "deploy --plan"):
        settings = session.settings
        current = reference.read(settings.reference_path)
        target = current if how.standby else replace(current, standby=None)
        release = compose(session, current, version, config, size) if version or config or size else None
        if release is not None:
            reference.refuse_rejected(current, release, how.force)
            target = current.deploying(release, standby=how.standby)
        pending = _pending(session, current, release)
        if pending and pending.first:
            return Plan(f"{pending.sentence}; the rest can be planned when it is there")
        target, before = _check_images(session, target), session.outputs()
        _refuse_another_region(session, before)
        standing = retirement.standing(session, before)
        graph = Graph(session, None, settings.work / "evidence", _boot_data(session, standing, target))
        return graph.judge(target, before, standing).plan.after(pending.sentence if pending else "")


def rotate_database(session: Session, how: How = How()) -> Reference:
    """A new release of what is live, with a database user of its own; the old user goes with its last release."""
    takeover.refuse(session)
    with runs.alone(session, "rotate database") as run:
        current = reference.read(session.settings.reference_path)
        release = compose(session, current, None, None)
        if not release.database_user:
            raise PipelineError("There is no database user to change: slipway.toml has no [database].")
        pending = _begun(session, _pending(session, current, release))
        return _release(session, run, current, release, how, pending, new_user=True)


def rollback(session: Session, how: How = How()) -> Reference:
    """Go back to the standby, or to the release before the live one, which becomes the standby and is marked."""
    takeover.refuse(session)
    with runs.alone(session, "rollback", how.force) as run:
        current = reference.read(session.settings.reference_path)
        back = current.previous
        if back is None:
            raise PipelineError(
                "There is no release to go back to: the reference file knows only the live one.",
                "./invoke releases shows the images there are; ./invoke deploy --version … makes one live.",
            )
        release, bad = current.releases[back], current.releases[current.live or ""]
        reference.refuse_rejected(current, release, how.force)
        if back not in (session.outputs().get("droplets") or {}):
            # Its droplet is made anew, of what there is today beside the image and the settings.
            release = replace(
                release, template=template_digest(session.settings.project.root), secrets=_fingerprints(session)
            )
        return _release(session, run, current, release, how, rejected=bad)  # and the database is left as it is


def carry_out(session: Session, run: Run, current: Reference, target: Reference, how: How) -> Reference:
    """Make the world what another reference says, with a new release in the place of one that must be made anew.

    Raises PipelineError as `deploy` does.
    """
    release = target.releases[target.live or ""]
    if release.key in retirement.standing(session, session.outputs()):
        return _make_it_so(session, run, current, target, how)
    today = replace(release, template=template_digest(session.settings.project.root), secrets=_fingerprints(session))
    with lease.user_for(session, current, today, anew=False, keep=how.keep_failed) as leased:
        anew = target.replacing(release, leased.release)
        return _make_it_so(session, run, current, anew, how, passwords=leased.passwords)


def destroy(session: Session, *, with_database: bool = False, backup_first: bool = True) -> None:
    """Remove the environment's droplets, address and key; the images stay. The reference file is emptied.

    The database stays, unless it is asked for too; then a backup is made before anything is removed.
    """
    takeover.refuse(session)
    with runs.alone(session, "destroy"):
        if with_database and backup_first:
            _back_up(session)
        leftovers.remove_strays(session, session.outputs())
        retirement.remove_all(session)
        engine = session.terraform.using(session.host_keys(Reference()))
        engine.destroy(var_file(session, Reference()), Narrator(session.progress))
        reference.write(session.settings.reference_path, Reference())
        if with_database:
            database.destroy(session)


def _back_up(session: Session) -> None:
    try:
        backup.backup(session)
    except PipelineError as error:
        message = f"Nothing was removed, because there is no backup: {error.message}"
        raise PipelineError(message, f"{error.hint}\n--no-backup removes the data without one.".strip()) from error


def compose(
    session: Session,
    current: Reference,
    version: str | None,
    config: Mapping[str, str] | None,
    size: str | None = None,
) -> Release:
    """A release of a version's image (by default the live one's), with the live release's config and what is given.

    A setting that slipway.toml names among the secrets by now is left out: its value comes from their source. Raises
    PipelineError for a setting that the image's app does not know.
    """
    live = current.releases[current.live] if current.live else None
    if version is None:
        if live is None:
            raise PipelineError(
                "Nothing is live whose settings could be changed.", "./invoke build deploy --version v1"
            )
        version = live.version
    found: Image = image.find(session.settings.names, session.api.images(), version)
    _check_size(session, size or (live.size if live else session.settings.project.size))
    secret = session.settings.project.secrets.names
    kept = {name: value for name, value in (live.config if live else {}).items() if name not in secret}
    settings = {**kept, **(config or {})}
    reference.check_config(settings)
    _check_settings(session, found.name, version, config or {})
    project, found_secrets = session.settings.project, _secrets(session)
    if live and not size and live.size != project.size:
        session.progress.warn(f"the size stays {live.size}; slipway.toml says {project.size}: --size changes it")
    _refuse_to_lose_the_database(session, live)
    release = Release(
        version=version,
        commit=found.label("commit"),
        image=found.name,
        size=size or (live.size if live else project.size),
        template=template_digest(project.root),
        config=settings,
        database_user=(live.database_user if live else "") or database_user(1) if project.database else "",
        database_expires=live.database_expires if live and project.database else "",
        secrets=secrets.fingerprints(found_secrets, session.key),
    )
    boot.encoded(release, {name: each.reveal() for name, each in found_secrets.items()})  # refused here if too long
    return release


def _check_size(session: Session, slug: str) -> None:
    if said := offered.droplet_refusal(session.api.sizes(), slug, session.settings.project.region):
        raise PipelineError(said, "Give another with --size, or in slipway.toml. Nothing was changed.")


def _refuse_to_lose_the_database(session: Session, live: Release | None) -> None:
    if live and live.database_user and session.settings.project.database is None:
        raise PipelineError(
            f"slipway.toml has no [database], and {live.key}, which is live, uses one.",
            "Put the table back: git log -p slipway.toml. ./invoke destroy --with-database removes the database.",
        )


def _check_settings(session: Session, image_name: str, version: str, given: Mapping[str, str]) -> None:
    """Raise PipelineError for a setting that the app does not know, by the manifest that its image was baked with.

    Where that is not to be had (an image baked elsewhere) the app itself refuses, and the gate says so.
    """
    if not given:
        return
    _refuse_secrets(given, session.settings.project.secrets.names)
    try:
        contents = manifest.of(session, image_name)
    except PipelineError:
        return
    hidden = {*contents.secret, *session.settings.project.secrets.names}
    _refuse_secrets(given, hidden)
    known = sorted({*(contents.settings or ())} - hidden - OURS)
    if known and (unknown := sorted(set(given) - set(known))):
        raise PipelineError(
            f"The app of {version} does not know the setting {', '.join(unknown)}.", f"It knows {', '.join(known)}."
        )


def _refuse_secrets(given: Mapping[str, str], hidden: Collection[str]) -> None:
    if secret := sorted(set(hidden) & set(given)):
        raise PipelineError(
            f"{', '.join(secret)} is a secret, and what --set is given lies in git.",
            "Name it in slipway.toml, [secrets] names = […], and give its value there where source says.",
        )


def _fingerprints(session: Session) -> dict[str, str]:
    return secrets.fingerprints(_secrets(session), session.key)


def _secrets(session: Session) -> dict[str, secrets.Secret]:
    source = secrets.source(session.settings, session.environ)
    return secrets.collect(source, session.settings.project.secrets.names)


def _release(
    session: Session,
    run: Run,
    current: Reference,
    release: Release,
    how: How,
    pending: Pending | None = None,
    *,
    new_user: bool = False,
    rejected: Release | None = None,
) -> Reference:
    with lease.user_for(session, current, release, anew=new_user, keep=how.keep_failed) as leased:
        target = current.deploying(leased.release, standby=how.standby)
        if rejected:
            target = target.rejecting(rejected, f"rolled back by {runs.who(session.environ)}")
        return _make_it_so(session, run, current, target, how, pending, passwords=leased.passwords)


def _pending(session: Session, current: Reference, release: Release | None) -> Pending | None:
    """What is to be done to the database first; None for a run that only goes back, and leaves it as it is."""
    confirmed = Reference.from_state(session.outputs().get("reference"))
    goes_back = current.live in confirmed.releases and current.live != confirmed.live
    return None if release is None and (goes_back or current.live is None) else database.pending(session)


def _begun(session: Session, pending: Pending | None) -> Pending | None:
    """Make a first cluster at once: nothing is live that could lose it, and no release can be planned without it."""
    if pending is None or not pending.first:
        return pending
    database.carry_out(session, pending)
    return Pending(done=pending.sentence)


def _make_it_so(
    session: Session,
    run: Run,
    current: Reference,
    target: Reference,
    how: How,
    pending: Pending | None = None,
    *,
    passwords: Mapping[str, secrets.Secret] | None = None,
) -> Reference:
    target = _check_images(session, target)
    before = session.outputs()
    _refuse_another_region(session, before)
    a_stray_carries = leftovers.remove_strays(session, before)
    _refuse_the_dead(session, before, target)
    standing = retirement.standing(session, before)
    boot_data = _boot_data(session, standing, target, passwords)
    confirmed = Reference.from_state(before.get("reference"))
    trial = retirement.beside(session, target, before, standing)
    folder = session.settings.work / "evidence" / f"{target.live}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    run.write("target", release=target.live)
    with (
        reference.drafted(session.settings.reference_path, target) as put,
        watch.over(session, run, before, target) as watched,
    ):
        graph = Graph(session, run, folder, boot_data)
        judged = graph.judge(trial, before, standing, pending.done if pending else "")
        try:
            with in_a_sentence():
                if pending:
                    database.carry_out(session, pending)
                judged.carry_out(session)
                _look_after(session, watched, target, how)
        except (LockLost, Refused):
            raise  # the world is somebody else's by now, or as it was
        except Unfit as error:
            restored = way_back.restore_traffic(session, before)
            folder = _keep_evidence(session, run, target, folder, error)
            _go_back(session, run, before, folder, restored)
            with _at_best(session, f"{target.live} is not marked as rejected"):
                _reject(session, current, target, error, commit=how.commit)
            raise evidence.failure(folder) or error from error
        except PipelineError as error:
            back = None if how.keep_failed else way_back.restore_traffic(session, before)
            if back and back.other:
                with _at_best(session, "the evidence is not complete"):
                    evidence.complete(session, target.releases[target.live or ""], back.other.address, folder)
            if folder.exists():
                run.write("evidence", text=str(folder.relative_to(session.settings.project.root)))
            if back:
                _go_back(session, run, before, folder, back)
            raise evidence.failure(folder) or error from error
        if target != current or target.rejected != current.rejected:
            put()
        if trial.retiring:
            _retire(session, run, trial, target, before, folder, moved=target.live != confirmed.live)
        if a_stray_carries:
            with _at_best(session, "what a run that died left is not all gone"):
                leftovers.remove_strays(session, session.outputs())
    done = f"{target.live} is live" if target.live else "Nothing is live any more"
    _record(session, f"Release {target.live} to {session.settings.environment}", done, commit=how.commit)
    return target


def _boot_data(
    session: Session,
    standing: Collection[str],
    target: Reference,
    passwords: Mapping[str, secrets.Secret] | None = None,
) -> BootData:
    """Settings and secrets for the droplets that have to be created.

    Raises PipelineError for a droplet that would differ from its release.
    """
    passwords = passwords or {}
    made = {key: target.releases[key] for key in target.running if key not in standing}
    for release in made.values():
        check_template(session.settings.project.root, release)
    lease.refuse_lost(made, passwords)
    values = _values(session, made)
    in_urls = {user: quote(each.reveal(), safe="") for user, each in passwords.items()}
    return BootData(made.keys(), {**boot.variable(made, values), "TF_VAR_database_passwords": expression(in_urls)})


def _refuse_another_region(session: Session, outputs: Mapping[str, Any]) -> None:
    """Raise Refused when slipway.toml names another region than that of the floating IP, which cannot leave it."""
    wanted, address = session.settings.project.region, outputs.get("floating_ip")
    found = next((each for each in session.api.floating_ips() if each.address == address), None)
    if found and found.region != wanted:
        raise Refused(
            f"The plan is refused: slipway.toml says region {wanted}, and the floating IP {address} of"
            f" {session.settings.environment} is in {found.region}, which it cannot leave.",
            f'Nothing was changed. Write region = "{found.region}" again; in {wanted}, make another environment.',
        )


def _refuse_the_dead(session: Session, outputs: Mapping[str, Any], target: Reference) -> None:
    """Raise PipelineError when traffic would move to a droplet that passed long ago and does not answer any more."""
    confirmed = Reference.from_state(outputs.get("reference"))
    droplet = (outputs.get("droplets") or {}).get(target.live or "")
    if not target.live or not droplet or confirmed.live in (None, target.live):
        return
    if target.live not in confirmed.running:
        return  # it is of a run that did not end well, and has the gate before it
    release = target.releases[target.live]
    if verify.answers(release, droplet["address"], _ASKED):
        return
    if Witness(session, release, droplet["address"]).word() is not Word.FINE:
        raise PipelineError(
            f"The droplet of {target.live} does not answer, so nothing is moved to it.",
            "./invoke heal starts it again, or makes another one.",
        )
    session.progress.warn(
        f"the droplet of {target.live} does not answer from here and says itself that it is fine: the path from this"
        " machine is suspect"
    )


def _limits(session: Session, how: How) -> CutoverSettings:
    return how.limits or session.settings.project.cutover


def _look_after(session: Session, watched: watch.Watch, target: Reference, how: How) -> None:
    """Raise Unfit when the cutover, or the time after it, was not as it has to be, and the droplet does not deny it."""
    limits = _limits(session, how)
    if target.live is None or not watched.is_at_work or limits == CutoverSettings():
        return
    release = target.releases[target.live]
    witness = Witness(session, release, session.outputs()["droplets"][release.key]["address"])
    watched.judge(release, limits, witness)
    if limits.soak:
        with session.progress.step(f"look after {release.key} for {limits.soak:g} s"):
            watched.soak(release, limits.soak, witness)
        watched.judge(release, limits, witness)


def _retire(
    session: Session,
    run: Run,
    trial: Reference,
    target: Reference,
    before: Mapping[str, Any],
    folder: Path,
    *,
    moved: bool,
) -> None:
    """Leave of what is applied what the reference says. A release that is live does not fail for what it replaced.

    Raises PipelineError when nothing else was asked for than that something retires, and it does not.
    """
    try:
        with in_a_sentence():
            retirement.remove(session, trial, before)
            Graph(session, run, folder).apply(target, Now(trial, before["floating_ip"], trial.live or ""))
    except PipelineError as error:
        if not moved:
            raise
        session.progress.warn(f"{target.live} is live, but not all that it replaced is gone: {error.message}")
        session.progress.warn("./invoke deploy removes what is left")


def _keep_evidence(session: Session, run: Run, target: Reference, folder: Path, error: PipelineError) -> Path:
    release = target.releases[target.live or ""]
    with _at_best(session, "the evidence is not complete"):
        folder = evidence.keep(session, release, session.outputs()["droplets"][release.key]["address"], error)
        run.write("evidence", text=str(folder.relative_to(session.settings.project.root)))
    return folder


@contextmanager
def _at_best(session: Session, what: str) -> Iterator[None]:
    """What must not keep the rest from being done: its failure is a warning."""
    try:
        with in_a_sentence():
            yield
    except PipelineError as error:
        session.progress.warn(f"{what}: {error.message}")


def _reject(session: Session, current: Reference, target: Reference, error: Unfit, *, commit: bool) -> None:
    """Mark a release that was live and was gone back from, so that it is not made live again by mistake."""
    release = target.releases[target.live or ""]
    reference.write(session.settings.reference_path, current.rejecting(release, error.why))
    message = f"Reject {release.key} in {session.settings.environment}"
    try:
        _record(session, message, f"{release.key} is marked as rejected", commit=commit)
    except Unrecorded as failure:
        session.progress.warn(f"{failure.message} {failure.hint}")  # why the release failed is what the run ends with


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


def _values(session: Session, made: Mapping[str, Release]) -> dict[str, dict[str, str]]:
    """The secrets of the releases whose droplets are to be made, by release key.

    Raises PipelineError when a source no longer has the value that a release was made with.
    """
    if not any(release.secrets for release in made.values()):
        return {}
    found = _secrets(session)
    now = secrets.fingerprints(found, session.key)
    for release in made.values():
        if changed := sorted(name for name, print_ in release.secrets.items() if now.get(name) != print_):
            raise PipelineError(
                f"Release {release.key} was made with another value of {', '.join(changed)} than there is now.",
                f"Make a release with today's: ./invoke deploy --version {release.version}",
            )
    return {key: {name: found[name].reveal() for name in release.secrets} for key, release in made.items()}


def _go_back(
    session: Session, run: Run, before: Mapping[str, Any], evidence: Path, restored: way_back.Restored
) -> None:
    """Make state and world what was confirmed before, until that worked or minutes have passed.

    Where users had to be left with what they have, nothing is applied: it would take them to a dead droplet.
    """
    confirmed = Reference.from_state(before.get("reference"))
    if restored.stays:
        session.progress.warn("./invoke heal makes the address answer from a verified release, and the rest agree")
        return
    session.progress.warn("the release failed: going back to what was confirmed before")

    def attempt() -> None:
        adoption.adopt(session, before)
        retirement.remove_failed(session, confirmed, session.outputs())
        standing = retirement.standing(session, session.outputs())
        boot_data = _boot_data(session, standing, replace(confirmed, standby=None))
        Graph(session, run, evidence, boot_data).restore(confirmed, now_of(session, before))
        leftovers.remove_strays(session, session.outputs())

    try:
        # Nobody makes room on a disk within minutes, and users have what was confirmed before.
        way_back.until_it_works(attempt, session.progress.detail, hopeless=lambda: is_full(session.settings.work))
        run.write("way back", text=f"what was confirmed before is there again: {confirmed.live or 'nothing'}")
    except PipelineError as error:
        session.progress.warn(f"going back failed too: {error.message} {error.hint}".rstrip())
        session.progress.warn("./invoke deploy tries again to make the world what the reference file says")


def _record(session: Session, message: str, done: str, *, commit: bool) -> None:
    """Commit the reference file, or say how. Raises Unrecorded, which says what is ``done``, when git refuses."""
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
