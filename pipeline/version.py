"""What is to be released, named once."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.errors import PipelineError
from pipeline.names import LONGEST_VERSION
from pipeline.tools.git import Git

IMAGE_INPUTS: Sequence[str] = ("app", "provisioning", "packer")
"""What goes into an image: an uncommitted change here is refused, and the last commit here is the image's commit."""


def resolve(git: Git, asked: str | None, *, dirty: bool) -> tuple[str, str]:
    """The version and the commit to build.

    The version is the one asked for, else the tag at HEAD, else `git describe`. Uncommitted changes in what goes into
    the image raise PipelineError, unless `dirty`: then both names say so.
    """
    version = check(asked or git.describe())
    commit = git.last_commit(IMAGE_INPUTS)
    changed = git.changed([*IMAGE_INPUTS, "slipway.toml"])
    if not changed:
        return version, commit
    if not dirty:
        some = ", ".join(changed[:3]) + (" …" if len(changed) > 3 else "")
        raise PipelineError(
            f"What goes into the image has uncommitted changes: {some}.",
            "git commit them, or build with --dirty (the version will say so).",
        )
    return check(f"{version}-dirty"), f"{commit}-dirty"


def check(version: str) -> str:
    """The version itself; raises PipelineError when it could not be part of an image's and a droplet's name."""
    if not re.fullmatch(rf"[A-Za-z0-9]([A-Za-z0-9.-]{{0,{LONGEST_VERSION - 2}}}[A-Za-z0-9])?", version):
        raise PipelineError(
            f"{version!r} cannot be a version.",
            f"Letters, digits, dots and dashes, {LONGEST_VERSION} at most, such as v1 or v1.2.0.",
        )
    return version
