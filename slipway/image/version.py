"""What is to be released, named once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from slipway.errors import PipelineError
from slipway.names import LONGEST_VERSION
from slipway.tools.files import home
from slipway.tools.git.git import Git

IMAGE_INPUTS: Sequence[str] = ("provisioning", "packer")
"""What goes into an image beside the app, where it is the project's own."""
DIRTY = "-dirty"
"""The end of a version that was built from uncommitted changes."""
ROLES = ("live", "standby")
"""What `diff` takes for a release by its role."""


def resolve(git: Git, asked: str | None, program: Sequence[str], *, dirty: bool) -> tuple[str, str]:
    """The version and the commit to build; ``program`` are the paths of what the program is made of.

    The version is the one asked for, else the tag at HEAD, else `git describe`. Uncommitted changes in what goes into
    the image raise PipelineError, unless `dirty`: then both names say so.
    """
    version = check(asked) if asked is not None else _described(git)
    if version.lower().endswith(DIRTY):
        raise PipelineError(
            f"{version} ends in {DIRTY}, which the build of uncommitted changes adds to a version.",
            f"Name the version without it, such as {version[: -len(DIRTY)]}; --dirty builds what is not committed.",
        )
    own = [name for name in IMAGE_INPUTS if home(git.root, name) == git.root]
    inputs = [*program, *own] or ["slipway.toml"]
    commit = git.last_commit(inputs)
    changed = git.changed([*inputs, "slipway.toml"])
    if not changed:
        return version, commit
    if not dirty:
        some = ", ".join(changed[:3]) + (" …" if len(changed) > 3 else "")
        raise PipelineError(
            f"What goes into the image has uncommitted changes: {some}.",
            "git commit them, or build with --dirty (the version will say so).",
        )
    return check(f"{version}{DIRTY}"), f"{commit}{DIRTY}"


def _described(git: Git) -> str:
    described = git.describe()
    try:
        return check(described)
    except PipelineError as error:
        hint = f"{error.hint}\nGit names this commit so; --version gives it another name."
        raise PipelineError(error.message, hint) from error


def check(version: str) -> str:
    """The version itself; raises PipelineError when it could not be part of an image's and a droplet's name.

    A droplet's name is its hostname: each part between two dots begins and ends with a letter or a digit.
    """
    if not re.fullmatch(r"[A-Za-z0-9]+(?:(?:\.|-+)[A-Za-z0-9]+)*", version) or len(version) > LONGEST_VERSION:
        raise PipelineError(
            f"{ascii(version)} cannot be a version.",
            f"Letters and digits, with dots or dashes between them, {LONGEST_VERSION} at most, such as v1 or v1.2.0.",
        )
    if version in ROLES:
        raise PipelineError(f"{version} cannot be a version: it names a role of a release.", "Such as v1 or v1.2.0.")
    return version


def refuse_other_spelling(version: str, known: Iterable[str]) -> None:
    """Raise PipelineError for a version that differs from a known one by the case of its letters alone.

    An image carries its version as a tag, and DigitalOcean takes two tags that differ by case alone for one.
    """
    for other in known:
        if other != version and other.lower() == version.lower():
            raise PipelineError(
                f"There is a version {other} already, from which {version} differs by the case of its letters alone.",
                f"Give --version {other} if you mean that one, or a version that differs by more.",
            )
