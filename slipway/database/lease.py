"""A database user that a vault makes for one release: asked for once, given back when the release fails."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from slipway.environment import secrets
from slipway.environment.outputs import Outputs
from slipway.environment.reference import Reference, Release, next_user
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.progress import Progress

DATABASE_USER = "[A-Za-z_][A-Za-z0-9_-]{0,62}"
"""A name of a database user that terraform/variables.tf takes."""


@dataclass(frozen=True)
class Leased:
    """A release with the user that it has; ``passwords`` by user name, for the droplet that is to be made."""

    release: Release
    passwords: Mapping[str, secrets.Secret] = field(default_factory=dict)


@contextmanager
def user_for(
    session: Session, current: Reference, release: Release, *, anew: bool, keep: bool = False
) -> Iterator[Leased]:
    """A release with a database user of its own where a vault hands them out, and with Terraform's where none does.

    One that has its droplet keeps its user, unless that has ended or another is wanted (`anew`). When the context
    fails, the user is given back, unless the failed droplet is kept (`keep`). Raises PipelineError when the vault gives
    none.
    """
    if not anew and _keeps(session.outputs(), release):
        yield Leased(release)
        return
    issuer = secrets.source(session.settings, session.environ).issuer if release.database_user else None
    if issuer is None:
        yield Leased(_from_terraform(current, release) if anew or release.database_expires else release)
        return
    credential = issuer.issue()
    if not re.fullmatch(DATABASE_USER, credential.user):
        _give_back(session.progress, issuer, credential)
        raise PipelineError(
            f"Vault made the database user {ascii(credential.user)}, whose name cannot stand in a URL as it is.",
            "Letters, digits, underscores and dashes, 63 at most: the role's username_template in Vault decides it.",
        )
    expires = credential.password.expires
    assert expires is not None
    session.progress.say(f"  ✓ database user {credential.user}, until {expires:%Y-%m-%d %H:%M} UTC")
    named = replace(release, database_user=credential.user, database_expires=f"{expires:%Y-%m-%dT%H:%M:%SZ}")
    try:
        yield Leased(named, {credential.user: credential.password})
    except BaseException:
        if not keep:
            _give_back(session.progress, issuer, credential)
        raise


def _keeps(outputs: Outputs, release: Release) -> bool:
    """Whether a release has its droplet, and there a user that has not ended."""
    return not has_ended(release) and release.key in outputs.groups


def _from_terraform(current: Reference, release: Release) -> Release:
    return replace(release, database_user=next_user(current), database_expires="")


def _give_back(progress: Progress, issuer: secrets.CredentialIssuer, credential: secrets.Credential) -> None:
    try:
        issuer.revoke(credential)
    except PipelineError as error:
        progress.warn(f"{credential.user} was not given back, and ends by itself: {error.message}")


def refuse_lost(made: Mapping[str, Release], passwords: Mapping[str, secrets.Secret]) -> None:
    """Raise PipelineError for a droplet that is to be made and whose leased user's password nobody has any more."""
    for key, release in made.items():
        if release.database_expires and release.database_user not in passwords:
            raise PipelineError(
                f"The database password of {key} was handed out once, for a droplet that is gone.",
                f"A release with a new one: ./invoke deploy --version {release.version}",
            )


def has_ended(release: Release) -> bool:
    """Whether the database user of a release was given for a time that is over."""
    return bool(release.database_expires) and left_until(release.database_expires) <= 0


def left_until(expires: str) -> float:
    """Seconds until a moment (RFC 3339)."""
    return (datetime.fromisoformat(expires) - datetime.now(UTC)).total_seconds()
