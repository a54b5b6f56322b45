"""droplet -> migrated: the schema that a release needs, reached in steps that the live release survives.

Each step is first taken in a rehearsal database of the same cluster, and the live release's own binary, as its own
user, asks there all that it ever asks. Only when every step has passed is the real schema touched. There is no way
down: a rollback finds a schema that was made so that it still works with it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pipeline import evidence
from pipeline.config import DatabaseSettings
from pipeline.database import DATABASE, online
from pipeline.droplet import App, Refused, app
from pipeline.errors import PipelineError
from pipeline.reference import Release
from pipeline.session import Session
from pipeline.tools.digitalocean import Cluster, Droplet

REHEARSAL = "app_rehearsal"
_EXPAND = "Expand now and contract in a later release, when no running one needs it any more: docs/data.md"
_UNTOUCHED = "Nothing was changed: the schema is as it was."


@dataclass(frozen=True)
class Migrated:
    """What was done to the schema: where it was, where it is, and the steps between, in milliseconds each."""

    release: str
    before: int
    after: int
    applied: Sequence[Mapping[str, Any]]
    rehearsed_with: str | None


def migrate(session: Session, release: Release, address: str) -> Migrated:
    """Bring the schema to what a release needs, from the release's own droplet.

    Raises PipelineError when a step fails, takes too long or breaks the live release, and when the database cannot be
    asked; the evidence is kept then.
    """
    with session.progress.step(f"migrate the schema for {release.key}"):
        try:
            return _migrate(session, release, address)
        except PipelineError as error:
            folder = evidence.keep(session, release, address, error)
            raise evidence.failure(folder) or error from error


def status(session: Session, cluster: Cluster, release: str, address: str) -> dict[str, Any]:
    """What the binary of a running release says of the schema: ``current``, ``latest`` and ``pending``."""
    with app(session, release, address) as running:
        return _migrator(session, cluster, running).run("--status")


def render(migrated: Migrated) -> str:
    """What was done, as a person reads it."""
    if not migrated.applied:
        return f"The schema is at {migrated.after}, which {migrated.release} works with."
    rehearsed = f", rehearsed with {migrated.rehearsed_with}" if migrated.rehearsed_with else ""
    return f"The schema went from {migrated.before} to {migrated.after} for {migrated.release}{rehearsed}."


def _migrate(session: Session, release: Release, address: str) -> Migrated:
    settings = session.settings
    cluster, patience = online(session), settings.project.database or DatabaseSettings("", "", 1)
    with app(session, release.key, address, settle=settings.project.deadline) as candidate:
        migrator = _Migrator(
            candidate, {"url": cluster.url(DATABASE), "ca": session.api.database_ca(cluster.id)}, patience
        )
        status = migrator.run("--status")
        pending, live = list(status["pending"]), session.api.live_droplet(settings.tag)
        rehearsed = None
        if pending and live is not None and live.address != address:
            rehearsed = _rehearse(session, cluster, migrator, pending, live)
        done = migrator.run("--role", release.database_user, steps=max(1, len(pending)))
        _check_contract(candidate, release)
    for step in done["applied"]:
        session.progress.detail(f"{step['version']} {step['name']}: {step['ms']} ms")
    return Migrated(release.key, int(done["from"]), int(done["to"]), done["applied"], rehearsed)


def _migrator(session: Session, cluster: Cluster, app: App) -> _Migrator:
    patience = session.settings.project.database or DatabaseSettings("", "", 1)
    administrator = {"url": cluster.url(DATABASE), "ca": session.api.database_ca(cluster.id)}
    return _Migrator(app, administrator, patience)


class _Migrator:
    """`app migrate` on the candidate's droplet, as the cluster's administrator, whom it is told of on its input."""

    def __init__(self, app: App, administrator: Mapping[str, str], patience: DatabaseSettings) -> None:
        self._app = app
        self.release = app.release
        self._administrator = administrator
        self._patience = patience

    def run(self, *arguments: str, steps: int = 1) -> dict[str, Any]:
        """Its answer; ``steps`` is how many migrations it may have to do. Raises PipelineError with the reason."""
        wanted = self._patience
        limits = (f"--timeout={wanted.migration_timeout:g}s", f"--lock-timeout={wanted.lock_timeout:g}s")
        seconds = steps * (wanted.migration_timeout + wanted.lock_timeout) + 10
        try:
            return self._app.ask("migrate", *arguments, *limits, stdin=self._administrator, seconds=seconds)
        except Refused as refused:
            rehearsing = "--rehearsal" in arguments
            raise self._explain(refused, rehearsing=rehearsing) from refused

    def _explain(self, refused: Refused, *, rehearsing: bool) -> PipelineError:
        release, error = self.release, refused.error
        what = f"Migration {refused.answer['version']} of {release}" if refused.answer.get("version") else release
        after = (
            "The schema is as it was" if rehearsing else "It was rolled back; the steps before it stay, and are safe"
        )
        match refused.reason:
            case "unreachable":
                return PipelineError(
                    f"The database does not answer {release}: {error}.", f"./invoke status. {_UNTOUCHED}"
                )
            case "password":
                return PipelineError(f"The database refuses its administrator: {error}.", _UNTOUCHED)
            case "locked":
                message = f"{what} waited {self._patience.lock_timeout:g} s for a lock in vain: {error}."
                return PipelineError(message, "Another migration or a long transaction holds it: try again after it.")
            case "timeout":
                message = f"{what} took longer than {self._patience.migration_timeout:g} s: {error}."
                return PipelineError(message, f"{after}. [database] migration_timeout in slipway.toml allows more.")
            case _:
                where = " in its rehearsal" if rehearsing else ""
                return PipelineError(f"{what} failed{where}: {error}.", f"{after}.")


def _rehearse(
    session: Session, cluster: Cluster, migrator: _Migrator, pending: Sequence[int], live: Droplet
) -> str | None:
    """Take each step where it costs nothing, and let the live release say whether it can live with it."""
    key = live.name.removeprefix(f"app-{session.settings.environment}-")
    with app(session, key, live.address) as running:
        if not (user := running.database_user()):
            return None
        with _rehearsal(session, cluster, migrator):
            for version in pending:
                rehearsed = migrator.run("--rehearsal", REHEARSAL, "--to", str(version), "--role", user, steps=version)
                names = {step["version"]: step["name"] for step in rehearsed["applied"]}
                _check_survival(running, migrator, version, names.get(version, "unnamed"))
    return key


@contextmanager
def _rehearsal(session: Session, cluster: Cluster, migrator: _Migrator) -> Iterator[None]:
    """A rehearsal begins with none left by a run that was killed, and leaves none, however it ends."""
    migrator.run("--drop-rehearsal", REHEARSAL)
    try:
        yield
    finally:
        try:
            migrator.run("--drop-rehearsal", REHEARSAL)
        except PipelineError:  # the droplet may be what failed
            with contextlib.suppress(PipelineError):
                session.api.drop_database(cluster.id, REHEARSAL)


def _check_survival(running: App, migrator: _Migrator, version: int, name: str) -> None:
    candidate = migrator.release
    try:
        running.ask("contract", "--database", REHEARSAL)
    except Refused as refused:
        failures = refused.answer.get("failures")
        if not failures:
            raise _cannot_ask(running, refused) from refused
        raise PipelineError(
            f"{candidate} is refused: its migration {version} ({name}) breaks the live release {running.release}: "
            f"{_queries(failures)}.",
            f"{_UNTOUCHED} {_EXPAND}",
        ) from refused


def _check_contract(candidate: App, release: Release) -> None:
    try:
        candidate.ask("contract")
    except Refused as refused:
        failures = refused.answer.get("failures")
        if not failures:
            raise _cannot_ask(candidate, refused) from refused
        raise PipelineError(
            f"{release.key} does not work with the schema that it asked for: {_queries(failures)}.",
            "The live release is not affected: each step was rehearsed with it.",
        ) from refused


def _cannot_ask(app: App, refused: Refused) -> PipelineError:
    if refused.reason == "password":
        return PipelineError(
            f"The database refuses the user of {app.release}: {refused.error}.",
            "Was its password changed elsewhere? ./invoke rotate database makes a new user.",
        )
    return PipelineError(f"{app.release} cannot ask the database: {refused.error}.", "./invoke status")


def _queries(failures: Sequence[Mapping[str, str]]) -> str:
    return "; ".join(f"“{each.get('query')}” fails with {str(each.get('error')).rstrip('.')}" for each in failures)
