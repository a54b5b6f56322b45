"""`app migrate` and `app contract` on a droplet, and a sentence for each way in which they fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from slipway.data import Count, Malformed, OpenTable, checked
from slipway.database.cluster import DATABASE
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.project import DatabaseSettings
from slipway.tools.digitalocean import Cluster
from slipway.verification.app import App, Refused

UNTOUCHED = "Nothing was changed: the schema is as it was."


@dataclass(frozen=True, kw_only=True)
class _Status(OpenTable):
    current: Count
    pending: list[Count]


@dataclass(frozen=True, kw_only=True)
class _Step(OpenTable):
    version: Count
    name: str
    ms: Annotated[float, Field(ge=0)]


@dataclass(frozen=True, kw_only=True)
class _Migrated(OpenTable):
    from_: Annotated[Count, Field(alias="from")]
    to: Count
    applied: list[_Step]


_ANSWERS: Mapping[str, type[OpenTable]] = {"--status": _Status, "--drop-rehearsal": OpenTable}


class Migrator:
    """A release's migrations by its own binary, as the cluster's administrator, whom it is told of on its input."""

    def __init__(self, session: Session, cluster: Cluster, app: App) -> None:
        self.release = app.release
        self._app = app
        self._administrator = {"url": cluster.url(DATABASE), "ca": session.api.database_ca(cluster.id)}
        self._patience = session.settings.project.database or DatabaseSettings(version="15", size="none", nodes=1)

    def run(self, *arguments: str, steps: int = 1) -> dict[str, Any]:
        """Its answer; ``steps`` is how many migrations it may have to do. Raises PipelineError with the reason."""
        patience = self._patience
        limits = (f"--timeout={patience.migration_timeout:g}s", f"--lock-timeout={patience.lock_timeout:g}s")
        seconds = steps * (patience.migration_timeout + patience.lock_timeout) + 10
        try:
            answer = self._app.ask("migrate", *arguments, *limits, stdin=self._administrator, seconds=seconds)
            checked(_ANSWERS.get(arguments[0], _Migrated), answer)
            return answer
        except Malformed as error:
            raise PipelineError(
                f"`app migrate` of {self.release} gives an answer that cannot be used: {error}.",
                "docs/app.md says what it has to tell.",
            ) from error
        except Refused as refused:
            raise self._explain(refused, rehearsing="--rehearsal" in arguments) from refused

    def _explain(self, refused: Refused, *, rehearsing: bool) -> PipelineError:
        version, error, patience = refused.answer.get("version"), refused.error, self._patience
        what = f"Migration {version} of {self.release}" if version else self.release
        after = (
            UNTOUCHED
            if rehearsing
            else "It was rolled back; the steps before it stay, which the live release survives."
        )
        match refused.reason:
            case "unreachable":
                return PipelineError(f"The database does not answer {self.release}: {error}.", UNTOUCHED)
            case "password":
                return PipelineError(f"The database refuses its administrator: {error}.", UNTOUCHED)
            case "locked":
                message = f"{what} waited {patience.lock_timeout:g} s for a lock in vain: {error}."
                return PipelineError(message, "Another migration or a long transaction holds it: try again after it.")
            case "timeout":
                message = f"{what} took longer than {patience.migration_timeout:g} s: {error}."
                return PipelineError(message, f"{after}\n[database] migration_timeout in slipway.toml allows more.")
            case _:
                where = " in its rehearsal" if rehearsing else ""
                return PipelineError(f"{what} failed{where}: {error}.", after)


def failing_queries(app: App, *arguments: str) -> str | None:
    """The queries of a release that fail, with the reasons, as part of a sentence; None when all succeed.

    Raises PipelineError when the release cannot ask the database at all.
    """
    try:
        app.ask("contract", *arguments)
    except Refused as refused:
        failures: Sequence[Mapping[str, str]] = refused.answer.get("failures") or []
        if not failures:
            raise _cannot_ask(app, refused) from refused
        return "; ".join(f"“{each.get('query')}” fails with {str(each.get('error')).rstrip('.')}" for each in failures)
    return None


def _cannot_ask(app: App, refused: Refused) -> PipelineError:
    if refused.reason == "password":
        return PipelineError(
            f"The database refuses the user of {app.release}: {refused.error}.",
            "Was its password changed elsewhere? ./invoke rotate database makes a new user.",
        )
    return PipelineError(f"{app.release} cannot ask the database: {refused.error}.", "./invoke status")
