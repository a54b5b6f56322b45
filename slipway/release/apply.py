"""One attempt to apply a reference: plan, create, verify, move the traffic, soak, retire, write down.

A failure at any step rolls back to what was confirmed before. The order is that of a release.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn, Protocol

from slipway.database import cluster, lease
from slipway.database.cluster import Pending
from slipway.environment import reference
from slipway.environment.outputs import Outputs
from slipway.environment.reference import Reference, Release
from slipway.environment.secrets import Secret
from slipway.environment.session import Session
from slipway.errors import PipelineError, in_a_sentence
from slipway.graph import retirement, strays
from slipway.graph.graph import BootData, Graph
from slipway.graph.plan import CurrentState, Refused
from slipway.project import Limits
from slipway.release import guards, record, recover
from slipway.release.compose import boot_data, of_today
from slipway.release.options import ReleaseOptions
from slipway.runs import run as runs
from slipway.runs.account_lock import LockLost
from slipway.runs.ledger import Run
from slipway.traffic import watch
from slipway.traffic.watch import ReleaseUnhealthy, Watch
from slipway.verification import evidence
from slipway.verification.witness import Witness


class Judged(Protocol):
    """A plan that may be carried out."""

    def carry_out(self, session: Session) -> None:
        """Do it, step by step; raises PipelineError as soon as a step fails."""


class Engine(Protocol):
    """What plans and applies the release graph; `Graph` does it with OpenTofu."""

    def judge(self, target: Reference, before: Outputs, standing: Collection[str], done: str = "") -> Judged:
        """Plan all that leads to a reference; raises Refused when it must not be done."""

    def apply(self, target: Reference, now: CurrentState) -> None:
        """Plan and do it in one."""

    def restore(self, target: Reference, now: CurrentState) -> None:
        """The same on the way back."""


@dataclass(frozen=True)
class Crew:
    """Who works on a release. ``engine`` is made for a session, a run, a folder for evidence, and boot data."""

    engine: Callable[[Session, Run, Path, BootData], Engine] = Graph
    watch: Callable[[Session, Run, Outputs, Reference], AbstractContextManager[Watch]] = watch.over
    restore_traffic: Callable[[Session, Outputs], recover.Restored] = recover.restore_traffic
    keep_evidence: Callable[[Session, Release, str, PipelineError], Path] = evidence.keep


def apply_release(
    session: Session,
    run: Run,
    current: Reference,
    release: Release,
    options: ReleaseOptions,
    pending: Pending | None = None,
    *,
    new_user: bool = False,
    rejected: Release | None = None,
) -> Reference:
    """Make a release live with a database user of its own, and mark the one that it is to be ``rejected`` for."""
    with lease.user_for(session, current, release, anew=new_user, keep=options.keep_failed) as leased:
        target = current.deploying(leased.release, standby=options.standby)
        if rejected:
            target = target.rejecting(rejected, f"rolled back by {runs.who(session.environ)}")
        return apply(session, run, current, target, options, pending, passwords=leased.passwords)


def apply_reference(
    session: Session, run: Run, current: Reference, target: Reference, options: ReleaseOptions
) -> Reference:
    """Apply another reference, with a new release in the place of one that has no droplet any more.

    Raises PipelineError as `apply` does.
    """
    release = target.releases[target.live or ""]
    if release.key in retirement.standing(session, session.outputs()):
        return apply(session, run, current, target, options)
    today = of_today(session, release)
    with lease.user_for(session, current, today, anew=False, keep=options.keep_failed) as leased:
        anew = target.replacing(release, leased.release)
        return apply(session, run, current, anew, options, passwords=leased.passwords)


def apply(
    session: Session,
    run: Run,
    current: Reference,
    target: Reference,
    options: ReleaseOptions,
    pending: Pending | None = None,
    *,
    passwords: Mapping[str, Secret] | None = None,
    crew: Crew = Crew(),
) -> Reference:
    """Apply a reference, after the ``pending`` changes of the database.

    Raises PipelineError when it cannot be made so. What was confirmed before is live then, and the reference file is as
    it was, save for the mark on a release that was live and was not fit.
    """
    return _Attempt(session, run, current, target, options, pending, passwords or {}, crew).make()


class _Attempt:
    def __init__(
        self,
        session: Session,
        run: Run,
        current: Reference,
        target: Reference,
        options: ReleaseOptions,
        pending: Pending | None,
        passwords: Mapping[str, Secret],
        crew: Crew,
    ) -> None:
        self._session, self._run, self._options, self._crew = session, run, options, crew
        self._current, self._pending = current, pending
        self._target = target = guards.check_images(session, target)
        self._before = before = session.outputs()
        guards.refuse_another_region(session, before)
        self._a_stray_carries = strays.remove_strays(session, before)
        guards.refuse_the_dead(session, before, target)
        self._standing = retirement.standing(session, before)
        self._trial = retirement.beside(session, target, before, self._standing)
        self._folder = session.settings.work / "evidence" / f"{target.live}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        self._engine = crew.engine(session, run, self._folder, boot_data(session, self._standing, target, passwords))

    def make(self) -> Reference:
        """Judge, carry out, look after, retire, write down."""
        target, pending = self._target, self._pending
        self._run.write("target", release=target.live)
        with (
            reference.drafted(self._session.settings.reference_path, target) as put,
            self._crew.watch(self._session, self._run, self._before, target) as watched,
        ):
            judged = self._engine.judge(self._trial, self._before, self._standing, pending.done if pending else "")
            try:
                with in_a_sentence():
                    if pending:
                        cluster.carry_out(self._session, pending)
                    judged.carry_out(self._session)
                    self._look_after(watched)
            except (LockLost, Refused):
                raise  # the world is somebody else's by now, or as it was
            except ReleaseUnhealthy as error:
                self._give_up_on_the_unfit(error)
            except PipelineError as error:
                self._give_up(error)
            if target != self._current or target.rejected != self._current.rejected:
                put()
            if self._trial.retiring:
                self._retire()
            if self._a_stray_carries:
                with self._at_best("what a run that died left is not all gone"):
                    strays.remove_strays(self._session, self._session.outputs())
        done = f"{target.live} is live" if target.live else "Nothing is live any more"
        message = f"Release {target.live} to {self._session.settings.environment}"
        record.commit_reference(self._session, message, done, commit=self._options.commit)
        return target

    def _look_after(self, watched: Watch) -> None:
        """Raise ReleaseUnhealthy when the cutover or the soak was not as it has to be, and the droplet agrees."""
        limits = self._options.limits or self._session.settings.project.limits
        if self._target.live is None or not watched.is_at_work or limits == Limits():
            return
        release, address = self._released()
        witness = Witness(self._session, release, address)
        watched.judge(release, limits, witness)
        if limits.soak:
            with self._session.progress.step(f"look after {release.key} for {limits.soak:g} s"):
                watched.soak(release, limits.soak, witness)
            watched.judge(release, limits, witness)

    def _give_up_on_the_unfit(self, error: ReleaseUnhealthy) -> NoReturn:
        """Go back from a release that was live: users first, then evidence, the rest of the world, and the mark."""
        restored = self._crew.restore_traffic(self._session, self._before)
        release, folder = self._target.releases[self._target.live or ""], self._folder
        with self._at_best("the evidence is not complete"):
            folder = self._crew.keep_evidence(self._session, *self._released(), error)
            self._note(folder)
        recover.go_back(self._session, self._run, self._before, restored, self._restore)
        with self._at_best(f"{release.key} is not marked as rejected"):
            record.reject(self._session, self._current, release, error.why, commit=self._options.commit)
        raise evidence.failure(folder) or error from error

    def _give_up(self, error: PipelineError) -> NoReturn:
        """Go back from a release that never came to be live, unless it is kept for a look."""
        back = None if self._options.keep_failed else self._crew.restore_traffic(self._session, self._before)
        if back and back.other:
            failed = self._target.releases[self._target.live or ""]
            with self._at_best("the evidence is not complete"):
                evidence.complete(self._session, failed, back.other.address, self._folder)
        if self._folder.exists():
            self._note(self._folder)
        if back:
            recover.go_back(self._session, self._run, self._before, back, self._restore)
        raise evidence.failure(self._folder) or error from error

    def _restore(self, confirmed: Reference, now: CurrentState, boot: BootData) -> None:
        self._crew.engine(self._session, self._run, self._folder, boot).restore(confirmed, now)

    def _retire(self) -> None:
        """Leave of what is applied what the reference says. A release that is live does not fail for what it replaced.

        Raises PipelineError when nothing else was asked for than that something retires, and it does not.
        """
        session, trial, target = self._session, self._trial, self._target
        try:
            with in_a_sentence():
                retirement.remove(session, trial, self._before)
                engine = self._crew.engine(session, self._run, self._folder, BootData())
                engine.apply(target, CurrentState(trial, self._before.address, trial.live or ""))
        except PipelineError as error:
            if target.live == self._before.confirmed.live:
                raise
            session.progress.warn(f"{target.live} is live, but not all that it replaced is gone: {error.message}")
            session.progress.warn("./invoke deploy removes what is left")

    def _released(self) -> tuple[Release, str]:
        """The release that was made live, and the address of its droplet."""
        release = self._target.releases[self._target.live or ""]
        return release, self._session.outputs().groups[release.key].first.address

    @contextmanager
    def _at_best(self, what: str) -> Iterator[None]:
        """What must not keep the rest from being done: its failure is a warning."""
        try:
            with in_a_sentence():
                yield
        except PipelineError as error:
            self._session.progress.warn(f"{what}: {error.message}")

    def _note(self, folder: Path) -> None:
        self._run.write("evidence", text=str(folder.relative_to(self._session.settings.project.root)))
